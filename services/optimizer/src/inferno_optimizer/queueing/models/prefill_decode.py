"""Model B, `prefill-decode`: a prefill of gamma + delta in n before the decode steps of model A."""

from collections.abc import Sequence

import numpy as np

from inferno_optimizer.queueing.arrays import FloatArray
from inferno_optimizer.queueing.chain import State
from inferno_optimizer.queueing.models.base import SMALLEST, PerformanceModel, column
from inferno_optimizer.queueing.pair import Pair


class PrefillDecodeModel(PerformanceModel):
    """mu(n) = n / (prefill(n) + (m - 1) decode(n)), the first token coming from the prefill; K = 11 N.

    Edges that the formulas leave open: without input there is no prefill, gamma included; a request of one
    token or less has no decode step beyond its prefill, and if its prefill takes no time, one decode step.
    """

    default_queue_per_batch = 10

    def __init__(self, pairs: Sequence[Pair]) -> None:
        super().__init__(pairs)
        self.alpha = np.maximum(column(pairs, "alpha"), SMALLEST)
        self.beta = column(pairs, "beta")
        has_prefill = self.input_tokens > 0
        self.gamma = np.where(has_prefill, column(pairs, "gamma"), 0.0)
        self.prefill_slope = column(pairs, "delta") * self.input_tokens
        steps = np.maximum(self.output_tokens - 1.0, 0.0)
        takes_time = self.gamma + self.prefill_slope + steps > SMALLEST
        self.decode_steps = np.where(takes_time, steps, 1.0)

    def service_ms(self, batch: FloatArray) -> FloatArray:
        """prefill(n) + (m - 1) decode(n)."""
        return self._prefill(batch) + self.decode_steps * self.step_ms(batch)

    def step_ms(self, batch: FloatArray) -> FloatArray:
        """decode(n) = alpha + beta n."""
        return self.alpha + self.beta * batch

    def itl_ms(self, state: State) -> FloatArray:
        """decode(n_e)."""
        return self.step_ms(state.joined_batch[:, None])[:, 0]

    def prefill_ms(self, state: State) -> FloatArray:
        """prefill(n_e)."""
        return self._prefill(state.joined_batch[:, None])[:, 0]

    def utilization(self, state: State) -> FloatArray:
        """Ls / N."""
        return state.in_service / state.chain.n

    def _prefill(self, batch: FloatArray) -> FloatArray:
        return self.gamma + self.prefill_slope * batch
