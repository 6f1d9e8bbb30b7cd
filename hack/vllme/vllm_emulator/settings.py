"""The command line: vLLM's own (`MODEL --port … --served-model-name …`) and the emulator's parameters.

A Deployment made for vLLM must start the emulator unchanged, so flags that only a real vLLM understands are
ignored, with one warning that names them. Every parameter is a flag or a variable `VLLME_…`; the flag wins.
"""

import argparse
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from vllm_emulator.engine import Profile
from vllm_emulator.metrics import MetricNames

DEFAULT_MODEL = "Qwen/Qwen3-0.6B"
EPILOG = """\
examples:
  python -m vllm_emulator
  python -m vllm_emulator Qwen/Qwen3-0.6B --port 8200 --served-model-name Qwen/Qwen3-0.6B --enforce-eager
  VLLME_ALPHA_MS=7.77 VLLME_BETA_MS=0.15 python -m vllm_emulator my/model --startup-seconds 20
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """Everything that one emulator was told."""

    served_names: tuple[str, ...]
    host: str
    port: int
    profile: Profile
    output_tokens: float
    output_tokens_cv: float
    startup_seconds: float
    drain_seconds: float
    metric_names: MetricNames
    max_model_len: int
    kv_cache_tokens: int
    seed: int | None
    ignored: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """One parameter: `--flag` or `VLLME_FLAG`."""

    name: str
    parse: Callable[[str], object]
    default: str
    text: str
    alias: str | None = None  # the flag by which a real vLLM knows it

    @property
    def variable(self) -> str:
        """Name of its environment variable."""
        return "VLLME_" + self.name.upper()

    @property
    def flags(self) -> list[str]:
        """Its names on the command line."""
        return ["--" + name.replace("_", "-") for name in (self.name, self.alias) if name]


def number(*, least: float = 0.0, above: bool = False) -> Callable[[str], float]:
    """A parser of finite numbers not below `least` (`above`: greater than it)."""

    def parse(text: str) -> float:
        wanted = f"must be a number {'above' if above else 'of at least'} {least:g}"
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{wanted}, not {text!r}") from None
        if not math.isfinite(value) or value < least or (above and value == least):
            raise argparse.ArgumentTypeError(f"{wanted}, not {text}")
        return value

    return parse


def whole(*, least: int = 0, most: int | None = None) -> Callable[[str], int]:
    """A parser of whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        wanted = f"must be a whole number of at least {least}" + (f" and at most {most}" if most else "")
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{wanted}, not {text!r}") from None
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{wanted}, not {text}")
        return value

    return parse


def metric_names(text: str) -> MetricNames:
    """`new` or `old`."""
    try:
        return MetricNames(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be 'new' or 'old', not {text!r}") from None


OPTIONS = (
    Option("host", str, "127.0.0.1", "address to listen on; 0.0.0.0 for all"),
    Option(
        "port", whole(most=65535), "8000", "port to listen on; 0: the start line says which one it became"
    ),
    Option("alpha_ms", number(above=True), "20.58", "ms per decode step, whatever the batch"),
    Option("beta_ms", number(), "0.41", "ms per decode step and request in the batch"),
    Option("gamma_ms", number(), "0", "ms to read a prompt, whatever its length"),
    Option("delta_ms", number(), "0", "ms to read a prompt, per prompt token and request in the batch"),
    Option("max_batch_size", whole(least=1), "4", "requests decoded at once", alias="max_num_seqs"),
    Option("max_waiting", whole(), "1000", "requests that may wait; beyond them the answer is 429"),
    Option(
        "output_tokens",
        number(least=1),
        "279",
        "mean length of an answer when the request sets no max_tokens",
    ),
    Option(
        "output_tokens_cv",
        number(),
        "0",
        "spread of that length: standard deviation / mean (1: like exponential)",
    ),
    Option("startup_seconds", number(), "0", "seconds until /health says 200"),
    Option("drain_seconds", number(), "10", "seconds that running requests get to end after SIGTERM"),
    Option("metric_names", metric_names, "new", "names of the metrics: new (vLLM V1) or old (V0)"),
    Option("max_model_len", whole(least=2), "40960", "prompt and answer together may have so many tokens"),
    Option(
        "kv_cache_tokens",
        whole(least=1),
        "",
        "tokens that fill the KV cache (default 2048 per place in the batch)",
    ),
    Option("seed", whole(), "", "makes the lengths of the answers repeatable"),
)


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the command line; exits with code 2 and a message naming the flag or variable that is wrong."""
    parser = _parser()
    known, ignored = separate_unknown_flags(_without_serve(arguments), parser.flags)
    values = parser.parse_args(known, namespace=argparse.Namespace(**_from_environment(parser, environment)))
    variables = {option.variable for option in OPTIONS}
    ignored += sorted(name for name in environment if name.startswith("VLLME_") and name not in variables)
    model = values.model or values.model_flag or DEFAULT_MODEL
    return Settings(
        served_names=tuple(values.served_model_name or [model]),
        host=values.host,
        port=values.port,
        profile=Profile(**{field.name: getattr(values, field.name) for field in dataclasses.fields(Profile)}),
        output_tokens=values.output_tokens,
        output_tokens_cv=values.output_tokens_cv,
        startup_seconds=values.startup_seconds,
        drain_seconds=values.drain_seconds,
        metric_names=values.metric_names,
        max_model_len=values.max_model_len,
        kv_cache_tokens=values.kv_cache_tokens or 2048 * values.max_batch_size,
        seed=values.seed,
        ignored=tuple(ignored),
    )


def separate_unknown_flags(arguments: Sequence[str], known_flags: set[str]) -> tuple[list[str], list[str]]:
    """Split a command line into what the emulator understands and the rest, each unknown flag with its value.

    A word after an unknown flag is taken for its value: the model belongs before the flags, as vLLM has it.
    """
    known: list[str] = []
    unknown: list[str] = []
    into = known
    for argument in arguments:
        if argument.startswith("-") and not argument.lstrip("-")[:1].isdigit():
            into = known if argument.split("=", 1)[0] in known_flags else unknown
            into.append(argument)
        elif into is known:
            known.append(argument)
        else:
            unknown[-1] += " " + argument
    return known, unknown


def _without_serve(arguments: Sequence[str]) -> Sequence[str]:
    """`vllm serve MODEL …` and `MODEL …` are the same."""
    return arguments[1:] if arguments and arguments[0] == "serve" else arguments


class _Parser(argparse.ArgumentParser):
    """Also knows its flags."""

    @property
    def flags(self) -> set[str]:
        return {flag for action in self._actions for flag in action.option_strings}


def _parser() -> _Parser:
    parser = _Parser(
        prog="vllm_emulator",
        description="A vLLM server without a GPU: its HTTP API, its metrics and its timing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("model", nargs="?", help=f"model to serve (default {DEFAULT_MODEL})")
    parser.add_argument("--model", dest="model_flag", help="the same as a flag")
    parser.add_argument(
        "--served-model-name",
        nargs="+",
        help="names that requests may use; metrics bear the first (default: MODEL)",
    )
    for option in OPTIONS:
        default = f"default {option.default}; " if option.default else ""
        parser.add_argument(
            *option.flags,
            dest=option.name,
            type=option.parse,
            default=argparse.SUPPRESS,
            metavar=option.name.rsplit("_", 1)[-1].upper(),
            help=f"{option.text} ({default}or {option.variable})",
        )
    return parser


def _from_environment(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> dict[str, object]:
    """Values of all options as the environment or else the defaults have them."""
    values: dict[str, object] = {}
    for option in OPTIONS:
        text = environment.get(option.variable, "") or option.default
        try:
            values[option.name] = option.parse(text) if text else None
        except argparse.ArgumentTypeError as problem:
            parser.error(f"environment variable {option.variable} {problem}")
    return values
