"""Model C, `chunked-prefill`: prefill in c chunks that share iterations with the decodes of other requests.

An iteration may hold TOKEN_BUDGET tokens. With n input and m output tokens a request is c + m iterations
long, and chunks must be many enough for the whole batch to fit.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from inferno_optimizer.queueing.arrays import BoolArray, FloatArray
from inferno_optimizer.queueing.chain import State
from inferno_optimizer.queueing.models.base import SMALLEST, PerformanceModel, column
from inferno_optimizer.queueing.pair import Pair

TOKEN_BUDGET: Final = 8192.0


class ChunkedPrefillModel(PerformanceModel):
    """mu(B) = B / tau(B), tau(B) = (c + m)(alpha + B delta), c = chunks(B); K = N + Q, Q = 10 N by default.

    Work: w_pre = (beta + gamma (c + 1) / 2) n, w_dec = beta m + gamma m (n + (m + 1) / 2), and
    delta = (w_pre + w_dec) / (c + m) is what each further request adds to an iteration.

    Latencies are not quite monotone in the load: a larger batch may need one chunk more, which makes the
    prefill longer and, S being given, the rest of the service shorter.
    """

    default_queue_per_batch = 10
    rising = False

    def __init__(self, pairs: Sequence[Pair]) -> None:
        super().__init__(pairs)
        self.alpha = np.maximum(column(pairs, "alpha"), SMALLEST)
        self.beta = column(pairs, "beta")
        self.gamma = column(pairs, "gamma")
        self.decode_work = self.output_tokens * self._token_work()

    def service_ms(self, batch: FloatArray) -> FloatArray:
        """tau(B)."""
        chunks = self.chunks(batch)
        return (chunks + self.output_tokens) * (self.alpha + batch * self._delta(chunks))

    def step_ms(self, batch: FloatArray) -> FloatArray:
        """itl(B) = alpha + (B - 1) delta + beta + gamma (n + (m + 1) / 2): the others' work and its own."""
        return self._others(batch, self.chunks(batch)) + self._token_work()

    def itl_ms(self, state: State) -> FloatArray:
        """(S - prefill(B)) / m at B = max(Ls, 1)."""
        decode = np.maximum(state.service_ms - self._prefill(state), 0.0)
        return decode / self.output_tokens[:, 0]

    def prefill_ms(self, state: State) -> FloatArray:
        """prefill(B) + ITL: the first token leaves with the first decode iteration."""
        return self._prefill(state) + self.itl_ms(state)

    def utilization(self, state: State) -> FloatArray:
        """Ls / N."""
        return state.in_service / state.chain.n

    def prefill_at(self, batch: FloatArray) -> FloatArray:
        """prefill(B) = c (alpha + (B - 1) delta) + w_pre, c for the nearest whole B."""
        chunks = self.chunks(np.floor(batch + 0.5))
        return chunks * self._others(batch, chunks) + self._prefill_work(chunks)

    def chunks(self, batch: FloatArray) -> FloatArray:
        """Least c >= 1 with Bmax(c) >= B, Bmax(c) = floor((c + m)(M - n / c) / (n + m)), for whole B.

        Times c (n + m) that is a quadratic in c with one positive root; the least integer above it is exact
        up to rounding, which one step in either direction mends.
        """
        n, m = self.input_tokens, self.output_tokens
        b = m * TOKEN_BUDGET - n - batch * (n + m)
        spread = np.sqrt(b * b + 4 * TOKEN_BUDGET * m * n)
        root = np.where(
            b > 0,
            2 * m * n / np.where(b > 0, b + spread, 1.0),
            (spread - b) / (2 * TOKEN_BUDGET),
        )
        guess = np.maximum(np.ceil(root), 1.0)
        least = np.where((guess > 1) & self._fits(guess - 1, batch), guess - 1, guess)
        return np.where(self._fits(least, batch), least, least + 1)

    def _fits(self, chunks: FloatArray, batch: FloatArray) -> BoolArray:
        n, m = self.input_tokens, self.output_tokens
        room = (chunks + m) * (TOKEN_BUDGET - n / np.maximum(chunks, 1.0)) / (n + m)
        fits: BoolArray = np.floor(room) >= batch
        return fits

    def _prefill_work(self, chunks: FloatArray) -> FloatArray:
        return (self.beta + self.gamma * (chunks + 1) / 2) * self.input_tokens

    def _token_work(self) -> FloatArray:
        return self.beta + self.gamma * (self.input_tokens + (self.output_tokens + 1) / 2)

    def _delta(self, chunks: FloatArray) -> FloatArray:
        return (self._prefill_work(chunks) + self.decode_work) / (chunks + self.output_tokens)

    def _others(self, batch: FloatArray, chunks: FloatArray) -> FloatArray:
        """An iteration without the request's own work: alpha + (B - 1) delta, positive as alpha is."""
        return self.alpha + (batch - 1) * self._delta(chunks)

    def _prefill(self, state: State) -> FloatArray:
        """prefill(B) at B = max(Ls, 1), shape (R,)."""
        return self.prefill_at(np.maximum(state.in_service, 1.0)[:, None])[:, 0]
