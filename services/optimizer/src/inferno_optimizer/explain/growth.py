"""What one more unit of each scarce device would save or serve: by solving again with it.

A unit is worth what the best plan with it is better than the best plan without it; no price that a linear
relaxation puts on it says that of whole replicas. Solving again costs about as much as the plan did, so it
is done only where it is asked for (`policy.one_more_unit`), only for the demands that compete for the device,
and for no more than `MOST_DEVICES` devices and `MOST_COMPETING` variants.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation import Problem, Rationing, Solution, SolverError, solve
from inferno_optimizer.allocation.components import components, scarce_devices
from inferno_optimizer.candidates import SizedGroup
from inferno_optimizer.choosing import Chosen
from inferno_optimizer.decisions import Service

MOST_DEVICES: Final = 8
MOST_COMPETING: Final = 1_000
SHARE_OF_TIME: Final = 0.25
"""Part of a plan's time limit that is kept for solving again."""

NOTHING: Final = 1e-6
TOGETHER: Final = (Rationing.FAIR, Rationing.FAIR_WITHIN_PRIORITY)


@dataclass(frozen=True, slots=True)
class Growth:
    """What `units` more of a device change: requests/min served in all, and cents per hour saved.

    `proven`: both plans are proven optimal; if not, the numbers are an estimate.
    """

    units: int
    serves_rpm: float
    saves_cents_per_hour: float
    proven: bool

    @property
    def nothing(self) -> bool:
        """Whether the units would be of no use."""
        return abs(self.serves_rpm) < NOTHING and abs(self.saves_cents_per_hour) < NOTHING


def growth_of(
    chosen: Chosen,
    groups: Sequence[SizedGroup],
    time_limit_seconds: float,
    interrupter: SolveInterrupter | None = None,
) -> dict[str, Growth]:
    """By device, of those that hold somebody back; nothing without limits.

    Raises:
        InterruptedSolveError: the interrupter was triggered.
    """
    problem = chosen.problem
    sized = {group.group.key: group for group in groups}
    asked = list(_asked(problem))[:MOST_DEVICES]
    found: dict[str, Growth] = {}
    for device, part in asked:
        base = _Worth(part, sized, chosen.solution)
        for units in _steps(part, device):
            richer = _with_more(part, device, units)
            try:
                solution = solve(
                    richer, time_limit_seconds=time_limit_seconds / (2 * len(asked)), interrupter=interrupter
                )
            except SolverError:
                break
            found[device] = _difference(units, base, _Worth(richer, sized, solution))
            if not found[device].nothing:
                break
    return found


def _asked(problem: Problem) -> Iterator[tuple[str, Problem]]:
    """Scarce devices by name, each with the demands that compete for it, where these are not too many."""
    together = [problem.demands] if problem.rationing in TOGETHER else components(problem)
    for device in sorted(scarce_devices(problem)):
        for demands in together:
            used = {c.device for d in demands for v in d.variants for c in v.candidates}
            if device in used and sum(len(d.variants) for d in demands) <= MOST_COMPETING:
                yield device, replace(problem, demands=tuple(demands))


def _steps(part: Problem, device: str) -> list[int]:
    """Units to try: 1, then as many as the smallest replica takes."""
    fewest = min(c.units for v in part.variants() for c in v.candidates if c.device == device)
    return [1] if fewest == 1 else [1, fewest]


def _with_more(part: Problem, device: str, units: int) -> Problem:
    return replace(part, capacity={**(part.capacity or {}), device: part.nodes(device).plus(units)})


class _Worth:
    """What a plan of some demands is worth."""

    def __init__(
        self, part: Problem, sized: Mapping[tuple[str, str, str], SizedGroup], solution: Solution
    ) -> None:
        self.proven = all(stage.status == "optimal" for stage in solution.stages)
        self.served_rpm = self.cost_per_hour = 0.0
        for demand in part.demands:
            capacity_rpm = 0.0
            for variant in demand.variants:
                for candidate in variant.candidates:
                    replicas = solution.replicas(variant, candidate)
                    capacity_rpm += candidate.rate_rpm * replicas
                    self.cost_per_hour += candidate.cost_per_hour * replicas
            self.served_rpm += Service(sized[demand.key], capacity_rpm).served_rpm


def _difference(units: int, before: _Worth, after: _Worth) -> Growth:
    return Growth(
        units=units,
        serves_rpm=after.served_rpm - before.served_rpm,
        saves_cents_per_hour=before.cost_per_hour - after.cost_per_hour,
        proven=before.proven and after.proven,
    )
