"""Cuts a mixed list of pairs into blocks that numpy can evaluate at once within bounded memory.

Pairs of one block share a model and have batch sizes close to each other, so that little of a row is padding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from inferno_optimizer.queueing.chain import Chain
from inferno_optimizer.queueing.models import MODELS, PerformanceModel
from inferno_optimizer.queueing.pair import Pair

CELLS_PER_BLOCK: Final = 65_536
"""States per block: 512 KiB per array, which stays in a core's cache."""
ROWS_PER_BLOCK: Final = 4_096
_PADDING: Final = 1.25
_NEGLIGIBLE_BATCH: Final = 32


@dataclass(frozen=True, eq=False)
class Block:
    """R pairs of one model; `index` gives their places in the caller's list."""

    index: list[int]
    pairs: list[Pair]
    model: PerformanceModel
    chain: Chain


def blocks(pairs: Sequence[Pair]) -> Iterator[Block]:
    """Every pair in exactly one block."""
    order = sorted(range(len(pairs)), key=lambda i: (pairs[i].parameters.model, -pairs[i].max_batch_size))
    for model, group in groupby(order, key=lambda i: pairs[i].parameters.model):
        for index in _cuts(pairs, list(group)):
            yield _build(model, index, [pairs[i] for i in index])


def _cuts(pairs: Sequence[Pair], order: list[int]) -> Iterator[list[int]]:
    """Cut pairs in falling order of batch size where memory or padding would grow too large."""
    start = 0
    for end in range(1, len(order) + 1):
        width = pairs[order[start]].max_batch_size
        full = end - start >= min(ROWS_PER_BLOCK, max(1, CELLS_PER_BLOCK // width))
        sparse = (
            end < len(order)
            and width > _NEGLIGIBLE_BATCH
            and pairs[order[end]].max_batch_size * _PADDING < width
        )
        if full or sparse or end == len(order):
            yield order[start:end]
            start = end
            if start == len(order):
                return


def _build(model_name: str, index: list[int], pairs: list[Pair]) -> Block:
    kind = MODELS[model_name]
    model = kind(pairs)
    n = np.array([pair.max_batch_size for pair in pairs], dtype=np.float64)
    room = np.array(
        [
            pair.max_batch_size * kind.default_queue_per_batch
            if pair.max_queue_size is None
            else pair.max_queue_size
            for pair in pairs
        ],
        dtype=np.float64,
    )
    batch = np.arange(1, model.width + 1, dtype=np.float64)
    service_ms = model.service_ms(batch)
    chain = Chain.build(np.log(batch) - np.log(service_ms), n, room)
    return Block(index=index, pairs=pairs, model=model, chain=chain)
