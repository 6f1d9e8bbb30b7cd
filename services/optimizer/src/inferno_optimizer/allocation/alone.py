"""The best choice for one demand as if it had all devices for itself: exact, by enumeration, no solver.

Without limits the program falls apart into its demands, and with limits a plan of such choices that fits is
optimal for the whole, since no demand could be better off. Most requests end here.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from inferno_optimizer.allocation.objectives import Assignments, Kind, Places, demand_value
from inferno_optimizer.allocation.problem import (
    RELATIVE_TOLERANCE,
    Assignment,
    Demand,
    Key,
    Problem,
    Variant,
)

ENUMERATION_LIMIT: Final = 4_000
"""Combinations above which a demand shared by several variants is left to the solver."""

ORDER: Final = (Kind.UNSERVED, Kind.COST, Kind.CHANGES, Kind.NAME_ORDER)


def best_alone(demand: Demand, places: Places) -> Assignments | None:
    """The demand's best assignments without device limits; None when there are too many to enumerate.

    Example: 37.5 rpm, one variant, one accelerator at 14.3 rpm and 50 cents/h: 3 replicas.
    """
    *others, last = demand.variants
    combinations = 1
    for variant in others:
        combinations *= sum(1 for _ in _choices(variant, demand.servable_rpm))
        if combinations > ENUMERATION_LIMIT:
            return None
    best = list(_complete(demand, others, last))
    for kind in ORDER:
        if len(best) == 1:
            break
        values = [demand_value(kind, demand, found, places) for found in best]
        least = min(values)
        best = [found for found, value in zip(best, values, strict=True) if value == least]
    return best[0]


def part_of(problem: Problem, *demands: Demand) -> Problem:
    """The problem narrowed to some of its demands."""
    return replace(problem, demands=demands)


def _complete(demand: Demand, others: list[Variant], last: Variant) -> Iterator[dict[Key, Assignment]]:
    """Every choice of the other variants, with the fewest replicas of the last one that serve the rest."""
    whole_rpm, least = demand.servable_rpm, max(last.minimum, last.floor)
    for chosen, served_rpm in _combine(others, whole_rpm):
        for candidate in last.candidates:
            most = last.most_replicas(candidate, whole_rpm)
            needed = _needed(whole_rpm - served_rpm, whole_rpm, candidate.rate_rpm)
            replicas = max(least, min(most, needed))
            yield {**chosen, last.key: _assignment(last, candidate.accelerator, replicas)}


def _needed(rest_rpm: float, whole_rpm: float, rate_rpm: float) -> int:
    """Fewest replicas for what is left; the tolerance is that of the whole demand."""
    if rest_rpm <= whole_rpm * RELATIVE_TOLERANCE:
        return 0
    return math.ceil((rest_rpm - whole_rpm * RELATIVE_TOLERANCE) / rate_rpm)


def _combine(variants: list[Variant], rate_rpm: float) -> Iterator[tuple[dict[Key, Assignment], float]]:
    if not variants:
        yield {}, 0.0
        return
    first, *rest = variants
    for assignment, served_rpm in _choices(first, rate_rpm):
        for chosen, more_rpm in _combine(rest, rate_rpm):
            yield {first.key: assignment, **chosen}, served_rpm + more_rpm


def _choices(variant: Variant, rate_rpm: float) -> Iterator[tuple[Assignment, float]]:
    """(assignment, rate served) of one variant: every accelerator with every useful number of replicas."""
    least = max(variant.minimum, variant.floor)
    for position, candidate in enumerate(variant.candidates):
        for replicas in range(least, variant.most_replicas(candidate, rate_rpm) + 1):
            if replicas or position == 0:
                assignment = _assignment(variant, candidate.accelerator, replicas)
                yield assignment, candidate.rate_rpm * replicas


def _assignment(variant: Variant, accelerator: str, replicas: int) -> Assignment:
    return Assignment(accelerator if replicas else variant.current_accelerator, replicas)
