"""The worked examples of docs/optimizer.md: plans as they are printed, sizing and choice in numbers.

A reader checks an implementation of their own against them; a test checks them against an independent one.
"""

import io
import json
import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

from rich.console import Console

from inferno_optimizer.allocation import Candidate, Demand, Nodes, Problem, Rationing, Variant, solve
from inferno_optimizer.plan import make_plan
from inferno_optimizer.queueing import Pair, SizingPolicy, predict, size
from inferno_optimizer.tables import plan_tables
from inferno_shared.contracts import (
    Accelerator,
    ChunkedPrefillParameters,
    ItlReading,
    LinearParameters,
    PrefillDecodeParameters,
    Snapshot,
    TtftReading,
)
from inferno_shared.reference import markdown_table

ROOT = Path(__file__).resolve().parents[2]
COLUMNS: Final = 88
MS_PER_MINUTE: Final = 60_000.0

GUIDE: Final = Pair(LinearParameters(alpha=20.58, beta=0.41), 4, None, 0, 279, itl_ms=24, ttft_ms=500)
GUIDE_RPM: Final = 12.5
PARAMETERS: Final = "α, β, γ, δ"  # noqa: RUF001 - the symbols of the page
AFTER_THE_WAIT: Final = "TTFT − W, ms"  # noqa: RUF001 - the same
STATES_SHOWN: Final = 7

EXAMPLES: Final[Sequence[tuple[str, Pair, float, SizingPolicy]]] = (
    ("A", GUIDE, GUIDE_RPM, SizingPolicy()),
    (
        "B",
        Pair(
            PrefillDecodeParameters(alpha=20.58, beta=0.41, gamma=200, delta=0.01),
            4,
            None,
            128,
            279,
            ttft_ms=500,
        ),
        12,
        SizingPolicy(ttft_reading=TtftReading.MEAN),
    ),
    (
        "C",
        Pair(ChunkedPrefillParameters(alpha=12, beta=0.05, gamma=0.0005), 48, 128, 128, 512, itl_ms=20),
        180,
        SizingPolicy(),
    ),
)
"""Model, replica and targets, requests/min at which it is predicted, reading."""

POLICIES: Final = (
    ("`None`", Rationing.ALL_OR_NOTHING, False),
    ("`PriorityExhaustive`", Rationing.PRIORITY, False),
    ("`PriorityExhaustive`, delayed", Rationing.PRIORITY, True),
    ("`PriorityRoundRobin`", Rationing.FAIR_WITHIN_PRIORITY, False),
    ("`RoundRobin`", Rationing.FAIR, False),
)


def example(name: str) -> Snapshot:
    """The snapshot docs/examples/NAME.json."""
    return Snapshot.model_validate_json((ROOT / "docs/examples" / f"{name}.json").read_bytes())


def plan_shown(name: str) -> str:
    """What `inferno-optimizer solve docs/examples/NAME.json` prints."""
    paper = io.StringIO()
    terminal = Console(file=paper, width=COLUMNS)
    for part in plan_tables(make_plan(example(name))):
        terminal.print(part, highlight=False, markup=False)
    lines = [line.rstrip() for line in paper.getvalue().splitlines()]
    return _console(f"inferno-optimizer solve docs/examples/{name}.json", lines)


def http_shown() -> str:
    """Parts of the answer to docs/examples/scarce.json."""
    plan = make_plan(example("scarce")).model_dump(mode="json")
    parts = (plan["demands"][1], plan["capacity"][0]["one_more"], plan["certificate"]["stages"][1])
    command = (
        "curl -s localhost:8082/optimize -d @docs/examples/scarce.json |\n"
        "    jq '.demands[1], .capacity[0].one_more, .certificate.stages[1]'"
    )
    return _console(command, [json.dumps(part, indent=2) for part in parts])


def _console(command: str, lines: Sequence[str]) -> str:
    return "\n".join(["```console", f"$ {command}", *lines, "```"])


def move_shown() -> str:
    """The sentence about a move of the guide's variant, where A100 would do at 40 cents/h."""
    seed = example("seed")
    [variant] = seed.variants
    [profile] = variant.profiles
    both = [profile, profile.model_copy(update={"accelerator": "A100"})]
    free = variant.model_copy(update={"profiles": both, "keep_accelerator": False})
    accelerators = [
        *seed.accelerators,
        Accelerator(name="A100", device="NVIDIA-A100-PCIE-80GB", cost_per_hour=40),
    ]
    [found] = make_plan(
        seed.model_copy(update={"variants": [free], "accelerators": accelerators})
    ).allocations
    return f"> {found.message[found.message.index('Moves from') :]}"


def chain_table() -> str:
    """The first states of the guide's replica at 12.5 requests/min."""
    chances = probabilities(GUIDE, GUIDE_RPM)
    rows = [
        (str(n), f"{_departures_rpm(GUIDE, n):.6g}" if n else "", f"{chances[n]:.6f}")
        for n in range(STATES_SHOWN)
    ]
    rest = f"{sum(chances[STATES_SHOWN:]):.6f}"
    last = len(chances) - 1
    rows.append((f"{STATES_SHOWN} … {last}", f"{_departures_rpm(GUIDE, last):.6g}", rest))
    return markdown_table(("n", "μ(n), requests/min", "p(n)"), rows)


def probabilities(pair: Pair, rate_rpm: float) -> list[float]:
    """p(0) … p(K) of model A, as the page writes it: p(n) ∝ Π λ/μ(i)."""
    steps = (rate_rpm / _departures_rpm(pair, n) for n in range(1, 10 * pair.max_batch_size + 1))
    weights = list(accumulate(steps, lambda weight, step: weight * step, initial=1.0))
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def _departures_rpm(pair: Pair, n: int) -> float:
    assert isinstance(pair.parameters, LinearParameters)  # noqa: S101 - of the examples only the guide's
    served = min(n, pair.max_batch_size)
    step_ms = pair.parameters.alpha + pair.parameters.beta * served
    return served / (pair.output_tokens * step_ms) * MS_PER_MINUTE


def reading_table() -> str:
    """λ* of the guide's replica by each reading of one target."""
    rows = []
    for target_ms, reading in ((500, ttft) for ttft in TtftReading):
        pair = Pair(GUIDE.parameters, 4, None, 0, 279, ttft_ms=target_ms)
        rows.append(_reading_row(f"TTFT {target_ms} ms", reading, pair, SizingPolicy(ttft_reading=reading)))
    for target_ms in (24, 22):
        pair = Pair(GUIDE.parameters, 4, None, 0, 279, itl_ms=target_ms)
        rows += [
            _reading_row(f"ITL {target_ms} ms", reading, pair, SizingPolicy(itl_reading=reading))
            for reading in ItlReading
        ]
    return markdown_table(("target, alone", "reading", "λ*, requests/min", "replicas for 37.5"), rows)


def _reading_row(target: str, reading: str, pair: Pair, policy: SizingPolicy) -> tuple[str, ...]:
    [sizing] = size([pair], policy)
    if not sizing.feasible:
        return target, f"`{reading}`", "none", "none will do"
    return (
        target,
        f"`{reading}`",
        f"{sizing.max_rate_rpm:.6g}",
        str(math.ceil(37.5 / sizing.capacity_rpm)),
    )


def model_table() -> str:
    """One replica of each model at a given rate, and its λ*."""
    columns = [list(_model_column(*example)) for example in EXAMPLES]
    names = [name for name, _ in columns[0]]
    rows = [(name, *(column[i][1] for column in columns)) for i, name in enumerate(names)]
    return markdown_table(("", *(f"model {example[0]}" for example in EXAMPLES)), rows)


def _model_column(_: str, pair: Pair, rate_rpm: float, policy: SizingPolicy) -> Iterator[tuple[str, str]]:
    given = pair.parameters.model_dump(exclude={"model"})
    room = pair.max_queue_size
    yield PARAMETERS, ", ".join(f"{value:g}" for value in given.values())
    yield "N, waiting room", f"{pair.max_batch_size}, {'as above' if room is None else room}"
    yield "tokens in, out", f"{pair.input_tokens:g}, {pair.output_tokens:g}"
    yield "λ, requests/min", f"{rate_rpm:g}"
    [found] = predict([pair], [rate_rpm])
    yield "Ls", f"{found.in_service:.6g}"
    yield "S, ms", f"{found.response_ms - found.wait_ms:.7g}"
    yield "W, ms", f"{found.wait_ms:.6g}"
    yield AFTER_THE_WAIT, f"{found.prefill_ms:.6g}"
    yield "ITL, ms", f"{found.itl_ms:.6g}"
    yield "p(K)", f"{found.blocking:.2e}"
    [sizing] = size([pair], policy)
    targets = (("ITL", pair.itl_ms), ("TTFT", pair.ttft_ms))
    yield "targets, ms", ", ".join(f"{name} {target:g}" for name, target in targets if target)
    yield "TTFT is read", f"`{policy.ttft_reading}`" if pair.ttft_ms else ""
    yield "λ*, requests/min", f"{sizing.max_rate_rpm:.7g}"
    yield "0.999 μ(N), requests/min", f"{sizing.saturation_rpm:.7g}"


def shared_demand() -> Problem:
    """At most 4 G and 2 H; a model with a variant on each, 60 requests/min: 4 G + 1 H serve it, for 65."""
    on_g = Variant(("ns", "on-g"), (Candidate("G", "G", 1, 10.0, 10.0),))
    on_h = Variant(("ns", "on-h"), (Candidate("H", "H", 1, 25.0, 20.0),))
    demand = Demand(("ns", "model", "class"), 1, 60.0, (on_g, on_h))
    return Problem((demand,), {"G": Nodes.pool(4), "H": Nodes.pool(2)})


def stage_table() -> str:
    """The stages of `shared_demand`."""
    rows = [
        (
            stage.objective,
            f"{stage.value:g}",
            f"{stage.bound:g}" if stage.bound is not None else "",
            stage.status,
        )
        for stage in solve(shared_demand()).stages
    ]
    return markdown_table(("stage", "value", "bound", "status"), rows)


def too_few(rationing: Rationing, *, delayed: bool) -> Problem:
    """6 G, each good for 10 requests/min: premium asks for 3 of them, big for 4 and small for 2."""
    asked = (("premium", 1, 30.0), ("big", 10, 40.0), ("small", 10, 20.0))
    demands = tuple(
        Demand(
            ("ns", name, "class"),
            priority,
            rate,
            (Variant(("ns", name), (Candidate("G", "G", 1, 10.0, 10.0),)),),
        )
        for name, priority, rate in asked
    )
    return Problem(demands, {"G": Nodes.pool(6)}, rationing, delayed)


def policy_table() -> str:
    """Who gets how many of 6 G under each policy."""
    rows = []
    for name, rationing, delayed in POLICIES:
        got = solve(too_few(rationing, delayed=delayed)).assignments
        rows.append((name, *(str(got["ns", who].replicas) for who in ("premium", "big", "small"))))
    head = ("`saturation_policy`", "premium (1), of 3", "big (10), of 4", "small (10), of 2")
    return markdown_table(head, rows)


TABLES: Final = {
    "seed plan": lambda: plan_shown("seed"),
    "scarce plan": lambda: plan_shown("scarce"),
    "http": http_shown,
    "move": move_shown,
    "chain": chain_table,
    "readings": reading_table,
    "models": model_table,
    "stages": stage_table,
    "policies": policy_table,
}
"""By the name of their marks in docs/optimizer.md."""
