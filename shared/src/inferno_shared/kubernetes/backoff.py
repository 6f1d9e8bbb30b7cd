"""Waiting longer after each failure, never in step with others: exponential back-off with jitter."""

import random
from collections.abc import Callable


class Backoff:
    """Delays of initial, initial * factor, ... up to the maximum, each spread over its upper half.

    `jitter` returns a number in [0, 1): with 0 the delays are 0.25, 0.5, 1, ... of an initial 0.5 s.
    """

    def __init__(
        self,
        *,
        initial_seconds: float = 0.5,
        factor: float = 2,
        max_seconds: float = 30,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._initial_seconds = initial_seconds
        self._factor = factor
        self._max_seconds = max_seconds
        self._jitter = jitter
        self._ceiling_seconds = initial_seconds

    def next_seconds(self) -> float:
        """Return the delay before the next attempt."""
        ceiling = self._ceiling_seconds
        self._ceiling_seconds = min(self._max_seconds, ceiling * self._factor)
        return ceiling * (1 + self._jitter()) / 2

    def reset(self) -> None:
        """Start over: something worked."""
        self._ceiling_seconds = self._initial_seconds
