"""POST /optimizeOne on llm-inferno's own sample: what the exact solution costs, and what a greedy pays.

    INFERNO_LLM_DATA=/path/to/sample .venv/bin/python tests/bench/bench_optimize_one.py

The folder holds upstream's `system-data.json` (its sample-data repository). The greedy works like upstream's:
servers by priority, then by how much dearer their second choice is; a server whose choice no longer fits goes
back into the line with its next one. Both see the same sizing, so the difference is choice alone. Without the
folder the table shows a made-up system of the same kind.
"""

import bisect
import copy
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from inferno_optimizer.allocation import Problem
from inferno_optimizer.choosing import choose
from inferno_optimizer.compat import AllocationSolution, SystemData, optimize_one
from inferno_optimizer.compat.orders import orders_of
from inferno_optimizer.compat.problem import problem_of

FOLDER = "INFERNO_LLM_DATA"
EXPECTED = {("10 N", True): 30619, ("10 N", False): 28911, ("0", True): 22564, ("0", False): 21252}
REPEATS = 20
LAST_CHOICE = float("inf")

Json = dict[str, Any]


def main() -> int:
    """Print the table; the exit code is 1 if the sample does not cost what it is known to."""
    folder = os.environ.get(FOLDER)
    console = Console(width=120)
    if folder is None:
        console.print(f"{FOLDER} is not set: a made-up system instead of llm-inferno's sample")
        document = made_up_system()
    else:
        document = json.loads((Path(folder) / "system-data.json").read_text(encoding="utf-8"))
    table = Table(
        "queue",
        "limits",
        "exact, cents/h",
        "status",
        "greedy",
        "dearer by",
        "greedy leaves out",
        "most blocking",
        "median ms",
        "p95 ms",
    )
    wrong = []
    for queue in ("10 N", "0"):
        for limited in (True, False):
            case = edited(document, queue, limited=limited)
            answer, times_ms = solved(case)
            found = greedy(problem_of_document(case))
            if folder is not None and answer.total_cost != EXPECTED[queue, limited]:
                wrong.append(f"{answer.total_cost:g} instead of {EXPECTED[queue, limited]}")
            table.add_row(queue, "yes" if limited else "no", *cells(answer, found), *shown(times_ms))
    console.print(table)
    console.print("\n".join(wrong) or "ms: CPU time from the parsed document to the answer")
    return 1 if wrong else 0


def cells(answer: AllocationSolution, found: "Greedy") -> Sequence[str]:
    blocking = max((a.blocking or 0.0 for a in answer.allocations.values()), default=0.0)
    return (
        f"{answer.total_cost:,.0f}",
        f"{answer.certificate.status}, verified" if answer.certificate.verified else "not verified",
        f"{found.cost:,.0f}",
        f"{found.cost / answer.total_cost - 1:.1%}" if not found.left_out else "-",
        f"{found.left_out} servers" if found.left_out else "nobody",
        f"{blocking:.1%}",
    )


def shown(times_ms: Sequence[float]) -> Sequence[str]:
    return f"{statistics.median(times_ms):.1f}", f"{statistics.quantiles(times_ms, n=20)[-1]:.1f}"


def edited(document: Json, queue: str, *, limited: bool) -> Json:
    """A copy with every server's queue and the limits as said."""
    case = copy.deepcopy(document)
    for server in case["system"]["serverData"]["servers"]:
        server.pop("maxQueueSize", None)
        if queue == "0":
            server["maxQueueSize"] = 0
    case["system"]["optimizerData"]["optimizer"]["unlimited"] = not limited
    return case


def problem_of_document(document: Json) -> Problem:
    system = SystemData.model_validate(document).system
    return problem_of(system, orders_of(system))


def solved(document: Json) -> tuple[AllocationSolution, list[float]]:
    """The answer, and the milliseconds that each of several solves took."""
    data = SystemData.model_validate(document)
    times_ms = []
    for _ in range(REPEATS):
        started = time.process_time()
        answer = optimize_one(data, choose, 30)
        times_ms.append((time.process_time() - started) * 1000)
    return answer, times_ms


@dataclass(frozen=True)
class Choice:
    cost: float
    device: str
    units: int


@dataclass(order=True)
class Entry:
    """A server in the greedy's line: by priority, then the largest regret first, then the dearest first."""

    priority: int
    minus_regret: float
    minus_cost: float
    choices: list[Choice] = field(compare=False)

    @classmethod
    def of(cls, priority: int, choices: list[Choice]) -> "Entry":
        regret = choices[1].cost - choices[0].cost if len(choices) > 1 else LAST_CHOICE
        return cls(priority, -regret, -choices[0].cost, choices)


@dataclass(frozen=True)
class Greedy:
    cost: float
    left_out: int


def greedy(problem: Problem) -> Greedy:
    """One pass without second thoughts."""
    free = None if problem.capacity is None else {d: n.units for d, n in problem.capacity.items()}
    line = []
    for demand in problem.demands:
        [variant] = demand.variants
        choices = [
            Choice(c.cost_per_hour * replicas, c.device, c.units * replicas)
            for c in variant.candidates
            for replicas in [max(variant.minimum, c.replicas_for(demand.rate_rpm))]
        ]
        line.append(Entry.of(demand.priority, sorted(choices, key=lambda choice: choice.cost)))
    line.sort()
    cost, left_out = 0.0, 0
    while line:
        entry = line.pop(0)
        first, *rest = entry.choices
        if free is None or first.units <= free.get(first.device, 0):
            cost += first.cost
            if free is not None:
                free[first.device] -= first.units
        elif rest:
            bisect.insort_left(line, Entry.of(entry.priority, rest))
        else:
            left_out += 1
    return Greedy(cost, left_out)


def made_up_system() -> Json:
    """Three models for two classes on three accelerators, of which the cheapest is scarce."""
    speeds = {"Small": 40.0, "Medium": 16.0, "Large": 7.0}
    sizes = {"m7": 1.0, "m13": 2.0, "m34": 5.0}
    profiles = [
        {
            "name": model,
            "acc": name,
            "accCount": 1,
            "maxBatchSize": int(96 / size),
            "atTokens": 512,
            "perfParms": {
                "alpha": speed * size,
                "beta": 0.002 * speed * size,
                "gamma": 0.00006 * speed * size,
            },
        }
        for model, size in sizes.items()
        for name, speed in speeds.items()
    ]
    classes = [
        {
            "name": name,
            "priority": priority,
            "modelTargets": [
                {"model": m, "slo-itl": 60 * priority * s, "slo-ttft": 900 * priority}
                for m, s in sizes.items()
            ],
        }
        for name, priority in (("Premium", 1), ("Free", 2))
    ]
    servers = [
        {
            "name": f"{name}-{model}",
            "class": name,
            "model": model,
            "currentAlloc": {"load": {"arrivalRate": rate, "avgInTokens": 256, "avgOutTokens": 512}},
        }
        for name, rate in (("Premium", 240), ("Free", 900))
        for model in sizes
    ]
    costs = {"Small": 8, "Medium": 22, "Large": 60}
    counts = {"Small": 24, "Medium": 40, "Large": 64}
    return {
        "system": {
            "acceleratorData": {
                "accelerators": [{"name": n, "type": n, "cost": c} for n, c in costs.items()]
            },
            "capacityData": {"count": [{"type": n, "count": c} for n, c in counts.items()]},
            "modelData": {"models": profiles},
            "serviceClassData": {"serviceClasses": classes},
            "serverData": {"servers": servers},
            "optimizerData": {"optimizer": {"saturationPolicy": "PriorityExhaustive"}},
        }
    }


if __name__ == "__main__":
    sys.exit(main())
