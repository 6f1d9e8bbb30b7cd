"""Max-min fairness in a program of whole replicas: how a least share is demanded of every demand.

Level k of the search (`sequence`) is the largest t such that every demand that is not exempt has a served
share of at least t. It is found by halving: for a given t each accelerator needs a whole number of replicas,
which makes tight constraints, where "maximise t" has a relaxation too weak to be solved. Then as few demands
as possible are exempt from having more than t, and the next level begins.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Final

from inferno_optimizer.allocation.blocks import Block
from inferno_optimizer.allocation.linear import Linear, Row, total
from inferno_optimizer.allocation.model import AllocationModel
from inferno_optimizer.allocation.problem import Variant

DISTINCT_SHARE: Final = 1e-5
"""Served shares closer than this count as equal."""

ROUNDING: Final = 1e-9
MOST_COMBINATIONS: Final = 1_000


def guarantee(
    model: AllocationModel, blocks: Sequence[Block], exempt: Sequence[Linear], share: float
) -> list[int]:
    """Demand a served share of every block but the exempt ones; returns the numbers of the rows.

    `exempt` has one entry per block: a binary variable, or nothing.
    """
    rows = []
    for block, excused in zip(blocks, exempt, strict=True):
        rows += [model.program.add(row) for row in _rows(block, excused, share)]
    return rows


def shares_between(blocks: Sequence[Block], low: float, high: float) -> list[float]:
    """Least shares worth asking for, above `low` and up to `high`, in ascending order.

    Every share that some demand can have; in steps of `DISTINCT_SHARE` where these are too many to list.
    """
    shares: set[float] = set()
    for block in blocks:
        listed = _shares_of(block)
        if listed is None:
            steps = int((high - low) / DISTINCT_SHARE)
            return [low + (step + 1) * DISTINCT_SHARE for step in range(steps)]
        shares.update(listed)
    return sorted(share for share in shares if low + DISTINCT_SHARE < share <= high)


def _rows(block: Block, excused: Linear, share: float) -> Iterator[Row]:
    if block.share is not None:
        yield block.share + excused >= share
        return
    for segment in block.segments:
        if segment.full:
            continue
        needed = math.ceil(share * block.demand.servable_rpm / segment.candidate.rate_rpm - ROUNDING)
        if needed > segment.upper:
            yield segment.chosen - excused <= 0.0
        elif needed > segment.lower:
            yield segment.replicas - needed * segment.chosen + needed * excused >= 0.0
    if share > 0:
        yield excused + total(s.chosen for s in block.segments) >= 1.0


def _shares_of(block: Block) -> list[float] | None:
    """Every share that the demand can have; None when its variants combine in too many ways."""
    rate_rpm = block.demand.servable_rpm
    capacities = [_capacities(variant, rate_rpm) for variant in block.demand.variants]
    if math.prod(len(choices) for choices in capacities) > MOST_COMBINATIONS:
        return None
    return [min(1.0, sum(chosen) / rate_rpm) for chosen in itertools.product(*capacities)]


def _capacities(variant: Variant, rate_rpm: float) -> list[float]:
    return [
        candidate.rate_rpm * replicas
        for candidate in variant.candidates
        for replicas in range(variant.most_replicas(candidate, rate_rpm) + 1)
    ]
