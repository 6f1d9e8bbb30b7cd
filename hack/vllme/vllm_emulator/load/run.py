"""Runs a load from start to summary: progress meanwhile, the report line by line, Ctrl-C ends it early."""

import asyncio
import contextlib
import dataclasses
import json
import signal
import sys
import time
from collections.abc import Coroutine, Iterator, Sequence
from typing import IO

from rich.console import Console
from rich.live import Live

from vllm_emulator.load.client import Requester, Target, http_client
from vllm_emulator.load.open_loop import run_open_loop
from vllm_emulator.load.outcome import Outcome, Slo, Tally, summary
from vllm_emulator.load.plan import Stage, duration_seconds, rate_rpm_at
from vllm_emulator.load.show import advice, progress_line, show_result

LIVE_SECONDS = 0.5
PLAIN_SECONDS = 10.0
EXIT_ALL_FAILED = 1
EXIT_INTERRUPTED = 130


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What the command line asked for."""

    target: Target
    stages: tuple[Stage, ...]
    due_seconds: Iterator[float]
    arrivals: str
    slo: Slo
    max_concurrency: int


def run(plan: Run, report: IO[str] | None) -> int:
    """Send the load and show what came of it; the exit code."""
    return asyncio.run(_run(plan, report))


async def _run(plan: Run, report: IO[str] | None) -> int:
    console = Console()
    tally = Tally()
    length = f"{len(plan.stages)} stage(s), {duration_seconds(plan.stages):g} s, {plan.arrivals} arrivals"
    console.print(f"{plan.target.model} at {plan.target.endpoint}: {length}", highlight=False, soft_wrap=True)
    started = time.monotonic()
    interrupted = await _interrupted(_load(plan, tally, report, console))
    seconds = time.monotonic() - started
    if interrupted:
        console.print("\nstopped early")
    show_result(console, tally, plan.slo, seconds=seconds)
    _write(report, summary(tally, plan.slo, seconds=seconds))
    if interrupted:
        return EXIT_INTERRUPTED
    if tally.outcomes and not tally.ok:
        print(f"loadgen.py: {advice(tally.outcomes, plan.target.url)}", file=sys.stderr)
        return EXIT_ALL_FAILED
    return 0


async def _load(plan: Run, tally: Tally, report: IO[str] | None, console: Console) -> None:
    """The requests, with the progress shown beside them."""

    def finished(outcome: Outcome) -> None:
        _write(report, outcome.as_json())

    progress = asyncio.create_task(_progress(console, tally, plan.stages))
    try:
        async with http_client(plan.target, max_concurrency=plan.max_concurrency) as client:
            await run_open_loop(
                plan.due_seconds,
                Requester(client, plan.target).send,
                finished,
                tally,
                lasts_seconds=duration_seconds(plan.stages),
                max_concurrency=plan.max_concurrency,
                clock=time.monotonic,
            )
    finally:
        progress.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await progress


async def _progress(console: Console, tally: Tally, stages: Sequence[Stage]) -> None:
    """A line that changes in place on a terminal, a new line every ten seconds elsewhere."""
    started = time.monotonic()

    def line() -> str:
        elapsed_seconds = time.monotonic() - started
        rate_rpm = rate_rpm_at(stages, elapsed_seconds)
        return progress_line(tally, elapsed_seconds=elapsed_seconds, rate_rpm=rate_rpm)

    if not console.is_terminal:
        while True:
            await asyncio.sleep(PLAIN_SECONDS)
            print(line(), flush=True)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(line(), refresh=True)
            await asyncio.sleep(LIVE_SECONDS)


async def _interrupted(work: Coroutine[None, None, None]) -> bool:
    """Run to the end (False), or until SIGINT or SIGTERM (True)."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


def _write(report: IO[str] | None, line: dict[str, object]) -> None:
    """One line of the report, at once, so that it can be followed."""
    if report is not None:
        report.write(json.dumps(line) + "\n")
        report.flush()
