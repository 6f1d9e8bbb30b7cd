"""The load generator's command line: what may be said, and what is answered to a mistake."""

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from vllm_emulator.load.client import Target
from vllm_emulator.load.outcome import Slo
from vllm_emulator.load.plan import Mode, Stage, arrivals, parse_stages
from vllm_emulator.load.run import Run, run

Number = TypeVar("Number", int, float)
Add = Callable[..., argparse.Action]
DEFAULT: Final = "(default %(default)s)"

EPILOG = """\
examples:
  50 requests per minute for 3 minutes, prompts of 150 words:
    python loadgen.py --model Qwen/Qwen3-0.6B --rate '[[180, 50]]' --url http://localhost:8000/v1
  up, down, and the same arrivals again on the next run:
    python loadgen.py --model my/model --rate '[[60, 20], [120, 90], [60, 20]]' --seed 7
  evenly spaced, short answers, one JSON line per request:
    python loadgen.py --rate '[[30, 120]]' --mode deterministic --max-tokens 20 --report requests.jsonl

exit code: 0; 1 if every request failed; 2 for a wrong command line; 130 after Ctrl-C
"""


def at_least(kind: Callable[[str], Number], least: Number) -> Callable[[str], Number]:
    """A parser of numbers with a lower bound."""

    def parse(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None
        if not value >= least:
            raise argparse.ArgumentTypeError(f"must be at least {least:g}, not {text}")
        return value

    return parse


def stages(text: str) -> tuple[Stage, ...]:
    """The value of --rate."""
    try:
        return parse_stages(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def url(text: str) -> str:
    """An http(s) address without the slash at its end."""
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"must begin with http:// or https://, not {text!r}")
    return text.rstrip("/")


def parser() -> argparse.ArgumentParser:
    """All flags."""
    flags = argparse.ArgumentParser(
        prog="loadgen.py",
        description="Send requests to an OpenAI-compatible server and measure the answers. Requests are sent "
        "when they are due, whether or not earlier ones were answered.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for group in (_where, _when, _what, _limits):
        group(flags.add_argument)
    report = "JSON lines: one per finished request as it ends, then a summary"
    flags.add_argument("--report", type=Path, metavar="FILE", help=report)
    return flags


def _where(add: Add) -> None:
    """The server."""
    add("--model", default="Qwen/Qwen3-0.6B", help=f"model to ask {DEFAULT}")
    add("--url", type=url, default="http://localhost:8000/v1", help=f"base address of the API {DEFAULT}")
    add("--endpoint", choices=["chat", "completions"], default="chat", help=f"API to call {DEFAULT}")


def _when(add: Add) -> None:
    """The arrivals."""
    add("--rate", type=stages, default="[[180, 50]]", help=f"stages of [seconds, requests/min] {DEFAULT}")
    add("--mode", type=Mode, choices=list(Mode), default=Mode.POISSON, help=f"arrivals {DEFAULT}")
    add("--seed", type=int, help="makes the arrivals repeatable")


def _what(add: Add) -> None:
    """A request and its answer."""
    add("--content", type=at_least(int, 1), default=150, help=f"words in a prompt {DEFAULT}")
    add("--max-tokens", type=at_least(int, 1), help="length of an answer (default: the server decides)")
    streams = "stream answers: TTFT and ITL need it"
    add("--stream", action=argparse.BooleanOptionalAction, default=True, help=streams)


def _limits(add: Add) -> None:
    """Targets, and where patience ends."""
    add("--slo-itl-ms", type=at_least(float, 0), default=24, help=f"target between tokens {DEFAULT}")
    add("--slo-ttft-ms", type=at_least(float, 0), default=500, help=f"target to first token {DEFAULT}")
    add("--timeout", type=at_least(float, 0.001), default=120, help=f"seconds per request {DEFAULT}")
    most = f"answers outstanding at most; a request due beyond is dropped and counted {DEFAULT}"
    add("--max-concurrency", type=at_least(int, 1), default=512, help=most)


def parse_run(arguments: Sequence[str]) -> tuple[Run, Path | None]:
    """Read the command line: what to run, and the file for the report."""
    options = parser().parse_args(arguments)
    target = Target(
        url=options.url,
        model=options.model,
        prompt_words=options.content,
        max_tokens=options.max_tokens,
        chat=options.endpoint == "chat",
        stream=options.stream,
        timeout_seconds=options.timeout,
    )
    chance = random.Random(options.seed)  # noqa: S311 - a simulation, not a secret
    return Run(
        target=target,
        stages=options.rate,
        due_seconds=arrivals(options.rate, options.mode, chance),
        arrivals=options.mode.value,
        slo=Slo(itl_ms=options.slo_itl_ms, ttft_ms=options.slo_ttft_ms),
        max_concurrency=options.max_concurrency,
    ), options.report


def main(arguments: Sequence[str]) -> int:
    """Run the load generator; the exit code."""
    plan, path = parse_run(arguments)
    if path is None:
        return run(plan, None)
    try:
        report = path.open("w")
    except OSError as problem:
        print(f"loadgen.py: cannot write --report {path}: {problem.strerror}", file=sys.stderr)
        return 2
    with report:
        return run(plan, report)
