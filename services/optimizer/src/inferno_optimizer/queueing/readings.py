"""How a latency target is compared with the chain. A new reading is a class here and a line in its registry.

A reading answers two questions for a block of R pairs: by how much is a target exceeded (asked at every step
of the search for the largest rate, so it must be cheap), and which latency does it see (asked to explain).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

import numpy as np

from inferno_optimizer.queueing.arrays import FloatArray
from inferno_optimizer.queueing.chain import State
from inferno_optimizer.queueing.models import PerformanceModel
from inferno_optimizer.queueing.waiting import quantile_ms, survival
from inferno_shared.contracts import ItlReading, TtftReading

_NEGLIGIBLE: Final = 1e-300
_JUST_MISSED: Final = 1e-9


@dataclass(frozen=True)
class Reading(ABC):
    """Base of every reading; `percentile` is between 0 and 1."""

    percentile: float

    @abstractmethod
    def value_ms(self, model: PerformanceModel, state: State) -> FloatArray:
        """The latency that the target is held against, shape (R,)."""

    def excess(self, model: PerformanceModel, state: State, target_ms: FloatArray) -> FloatArray:
        """At most 0 where the target is met, shape (R,); as smooth in log lambda as can be had."""
        return _log_ratio(self.value_ms(model, state), target_ms)

    @abstractmethod
    def describe(self) -> str:
        """What the latency is, to follow its number in a sentence."""


class MeanTtft(Reading):
    """W + prefill: upstream's later reading. About a third of the requests exceed it."""

    def value_ms(self, model: PerformanceModel, state: State) -> FloatArray:
        """Mean wait and mean prefill."""
        return state.wait_ms + model.prefill_ms(state)

    def describe(self) -> str:
        """Say what it is."""
        return "mean wait and prefill"


class ExponentialTtft(Reading):
    """W ln(1 / (1 - p)) + prefill: the p-quantile if the wait were exponential; ln 20 = 3.0 at p = 0.95.

    Models B and C add the mean prefill to the wait's quantile.
    """

    def value_ms(self, model: PerformanceModel, state: State) -> FloatArray:
        """Stretched mean wait and mean prefill."""
        return -math.log1p(-self.percentile) * state.wait_ms + model.prefill_ms(state)

    def describe(self) -> str:
        """Say what it is."""
        return f"{self.percentile * 100:g}th percentile of an exponential wait, and prefill"


class ExactTtft(Reading):
    """The p-quantile of the chain's own waiting time, + prefill.

    The prefill of models B and C (and the first decode step of C) is added at its mean, that of the effective
    batch: it varies little beside the wait, and the chain holds no joint law of the two. So the sum is the
    quantile of a wait followed by a fixed prefill.
    """

    def value_ms(self, model: PerformanceModel, state: State) -> FloatArray:
        """Quantile of the wait and mean prefill."""
        return quantile_ms(state, self.percentile) + model.prefill_ms(state)

    def excess(self, model: PerformanceModel, state: State, target_ms: FloatArray) -> FloatArray:
        """P(wait > target - prefill) against 1 - p, which needs no search for the quantile."""
        prefill_ms = model.prefill_ms(state)
        left_ms = target_ms - prefill_ms
        late = _log_ratio(survival(state, left_ms), np.full_like(left_ms, 1.0 - self.percentile))
        too_slow = np.maximum(_log_ratio(prefill_ms, target_ms), _JUST_MISSED)
        return np.where(left_ms >= 0, late, too_slow)

    def describe(self) -> str:
        """Say what it is."""
        return f"{self.percentile * 100:g}th percentile of the wait, and prefill"


class MeanItl(Reading):
    """The model's mean ITL; about half of the tokens of a replica sized exactly to it are slower."""

    def value_ms(self, model: PerformanceModel, state: State) -> FloatArray:
        """Mean ITL."""
        return model.itl_ms(state)

    def describe(self) -> str:
        """Say what it is."""
        return "mean"


class QuantileItl(Reading):
    """The p-quantile of the step that a token sees.

    With s = min(n, N) in service, tokens come at rate s / step(s), so a token sees s with probability
    proportional to P(s) s / step(s).
    """

    def value_ms(self, model: PerformanceModel, state: State) -> FloatArray:
        """The least step that a share p of the tokens does not exceed."""
        tokens = _tokens_by_batch(model, state)
        order = np.argsort(model.steps_ms, axis=1, kind="stable")
        cumulative = np.cumsum(np.take_along_axis(tokens, order, axis=1), axis=1)
        enough = cumulative >= self.percentile * cumulative[:, -1:]
        first = np.take_along_axis(order, enough.argmax(axis=1)[:, None], axis=1)
        return np.take_along_axis(model.steps_ms, first, axis=1)[:, 0]

    def excess(self, model: PerformanceModel, state: State, target_ms: FloatArray) -> FloatArray:
        """By how much the share of tokens within the target falls short of p."""
        tokens = _tokens_by_batch(model, state)
        within = model.steps_ms <= target_ms[:, None]
        short: FloatArray = self.percentile - (tokens * within).sum(axis=1) / tokens.sum(axis=1)
        return short

    def describe(self) -> str:
        """Say what it is."""
        return f"{self.percentile * 100:g}th percentile over tokens"


def _log_ratio(value: FloatArray, limit: FloatArray) -> FloatArray:
    return np.log(np.maximum(value, _NEGLIGIBLE)) - np.log(limit)


def _tokens_by_batch(model: PerformanceModel, state: State) -> FloatArray:
    """Tokens made with 1 .. width requests in service, as weights of shape (R, width).

    Column N - 1 holds the state N and its tail; columns above N hold nothing.
    """
    tokens = np.zeros_like(state.weights)
    np.multiply(state.weights[:, 1:], model.token_rates[:, :-1], out=tokens[:, :-1])
    row, last = np.arange(tokens.shape[0]), state.chain.n.astype(np.int64) - 1
    tokens[row, last] = state.tail * model.token_rates[row, last]
    return tokens


TTFT_READINGS: Final[dict[TtftReading, type[Reading]]] = {
    TtftReading.EXPONENTIAL: ExponentialTtft,
    TtftReading.MEAN: MeanTtft,
    TtftReading.EXACT: ExactTtft,
}
ITL_READINGS: Final[dict[ItlReading, type[Reading]]] = {
    ItlReading.MEAN: MeanItl,
    ItlReading.QUANTILE: QuantileItl,
}
