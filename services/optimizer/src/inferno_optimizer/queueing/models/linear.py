"""Model A, `linear`: a decode step with n requests in the batch takes alpha + beta n; no prefill."""

from collections.abc import Sequence

import numpy as np

from inferno_optimizer.queueing.arrays import FloatArray
from inferno_optimizer.queueing.chain import State
from inferno_optimizer.queueing.models.base import SMALLEST, PerformanceModel, column
from inferno_optimizer.queueing.pair import Pair


class LinearModel(PerformanceModel):
    """mu(n) = n / (m (alpha + beta n)), with m output tokens; K = 10 N."""

    default_queue_per_batch = 9

    def __init__(self, pairs: Sequence[Pair]) -> None:
        super().__init__(pairs)
        self.alpha = np.maximum(column(pairs, "alpha"), SMALLEST)
        self.beta = column(pairs, "beta")

    def service_ms(self, batch: FloatArray) -> FloatArray:
        """Time of m decode steps."""
        return self.output_tokens * self.step_ms(batch)

    def step_ms(self, batch: FloatArray) -> FloatArray:
        """One step: alpha + beta n."""
        return self.alpha + self.beta * batch

    def itl_ms(self, state: State) -> FloatArray:
        """S / m, which is the step at the effective batch (see `State.joined_batch`)."""
        return self.step_ms(state.joined_batch[:, None])[:, 0]

    def prefill_ms(self, state: State) -> FloatArray:
        """None in this model: the TTFT is the wait."""
        return np.zeros_like(state.total)

    def utilization(self, state: State) -> FloatArray:
        """1 - p_0."""
        return state.busy
