"""What one replica does at a given arrival rate, below or beyond what it can take."""

from collections.abc import Sequence

import numpy as np

from inferno_optimizer.queueing.block import Block, blocks
from inferno_optimizer.queueing.pair import Pair, Performance, SizingPolicy
from inferno_optimizer.queueing.readings import Reading
from inferno_optimizer.queueing.sizing import MS_PER_MINUTE, readings_of


def predict(
    pairs: Sequence[Pair], rates_rpm: Sequence[float], policy: SizingPolicy | None = None
) -> list[Performance]:
    """Performance of each pair at its rate (requests/min to one replica, >= 0), in the order given.

    Rate 0 gives an empty replica's values: no wait, and the ITL and prefill of a request that is alone.
    `policy` decides how targets are read; the default policy when left out.
    """
    itl, ttft = readings_of(policy or SizingPolicy())
    performances: dict[int, Performance] = {}
    for block in blocks(pairs):
        rates = [rates_rpm[i] for i in block.index]
        performances.update(zip(block.index, _predict_block(block, rates, itl, ttft), strict=True))
    return [performances[i] for i in range(len(pairs))]


def _predict_block(
    block: Block, rates_rpm: Sequence[float], itl: Reading, ttft: Reading
) -> list[Performance]:
    rate = np.array(rates_rpm, dtype=np.float64)
    state = block.chain.at(block.chain.theta(rate / MS_PER_MINUTE))
    busy = rate > 0
    prefill_ms, wait_ms = block.model.prefill_ms(state), state.wait_ms
    columns = {
        "itl_ms": block.model.itl_ms(state),
        "wait_ms": wait_ms,
        "ttft_ms": wait_ms + prefill_ms,
        "prefill_ms": prefill_ms,
        "response_ms": wait_ms + state.service_ms,
        "utilization": np.where(busy, block.model.utilization(state), 0.0),
        "throughput_rpm": np.where(busy, state.throughput * MS_PER_MINUTE, 0.0),
        "blocking": state.blocking,
        "in_service": np.where(busy, state.in_service, 0.0),
        "in_system": np.where(busy, state.in_service + state.waiting, 0.0),
        "itl_read_ms": itl.value_ms(block.model, state),
        "ttft_read_ms": ttft.value_ms(block.model, state),
    }
    return [
        Performance(**dict(zip(columns, row, strict=True)))
        for row in np.stack(list(columns.values()), axis=1).tolist()
    ]
