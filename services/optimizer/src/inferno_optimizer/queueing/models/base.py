"""What a performance model has to say; everything else about queues is the same for all of them.

A model tells how fast a batch is served (that makes the chain) and turns the chain's state into latencies.
It holds a block of R pairs: parameters have shape (R, 1), so that they meet batches of shape (R, k) or (k,).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, Final

import numpy as np

from inferno_optimizer.queueing.arrays import FloatArray
from inferno_optimizer.queueing.chain import State
from inferno_optimizer.queueing.pair import Pair

SMALLEST: Final = 1e-30
"""Floor of numbers that must be above 0: keeps the arithmetic finite for values that no hardware has."""


class PerformanceModel(ABC):
    """Formulas of one model, for R pairs; times are ms. `width` is the largest N among them."""

    default_queue_per_batch: ClassVar[int]
    """Waiting room K - N in multiples of N, for a pair that leaves it open."""

    rising: ClassVar[bool] = True
    """Whether every latency rises with the load; sizing looks closer where it may also fall."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.width = max(pair.max_batch_size for pair in pairs)
        self.input_tokens = np.array([[pair.input_tokens] for pair in pairs], dtype=np.float64)
        tokens = [[max(pair.output_tokens or 1.0, SMALLEST)] for pair in pairs]
        self.output_tokens = np.array(tokens, dtype=np.float64)

    @abstractmethod
    def service_ms(self, batch: FloatArray) -> FloatArray:
        """Time in service of a request while `batch` are served; it makes mu(n) = n / service."""

    @abstractmethod
    def step_ms(self, batch: FloatArray) -> FloatArray:
        """Time of one decode step, from one token of a request to its next, at `batch` requests."""

    @abstractmethod
    def itl_ms(self, state: State) -> FloatArray:
        """Mean inter-token latency, shape (R,)."""

    @abstractmethod
    def prefill_ms(self, state: State) -> FloatArray:
        """Mean time from the end of the wait to the first token, shape (R,): TTFT = W + this."""

    @abstractmethod
    def utilization(self, state: State) -> FloatArray:
        """How much of the replica is in use, 0 .. 1, shape (R,)."""

    @cached_property
    def steps_ms(self) -> FloatArray:
        """Decode steps at 1 .. width requests, shape (R, width)."""
        return self.step_ms(np.arange(1, self.width + 1, dtype=np.float64))

    @cached_property
    def token_rates(self) -> FloatArray:
        """Tokens per ms at 1 .. width requests, n / step(n), shape (R, width)."""
        return np.arange(1, self.width + 1, dtype=np.float64) / self.steps_ms


def column(pairs: Sequence[Pair], name: str) -> FloatArray:
    """One parameter of every pair, shape (R, 1)."""
    return np.array([[getattr(pair.parameters, name)] for pair in pairs], dtype=np.float64)
