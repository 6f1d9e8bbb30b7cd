"""Decides whether an upstream that keeps failing is asked at all: a circuit breaker, as a pure state machine.

A Prometheus that hangs would cost every snapshot its whole timeout, and an overloaded one would be asked all
the harder. After some failures in a row it is left alone for a while; then one probe decides.

    CLOSED --(failures in a row)--> OPEN --(time is up)--> HALF_OPEN --(probe answers)--> CLOSED
                                     ^---(probe fails: twice the wait, bounded)---'

Worked example, with 3 failures and 15 s: failures at 0, 60 and 120 s open it; until 135 s nobody is asked;
the probe at 180 s fails: nobody until 210 s (30 s), then 60 s at most each time.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Circuit(StrEnum):
    """What a breaker lets through: everything, nothing, or one probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """`failures` in a row open it for `open_seconds`; each failed probe doubles that up to the longest."""

    failures: int = 3
    open_seconds: float = 15.0
    longest_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state; each event gives the next one. Times in seconds, from any clock."""

    policy: BreakerPolicy = BreakerPolicy()
    failures: int = 0
    opened_at: float | None = None
    wait_seconds: float = 0.0
    reason: str = ""

    def circuit(self, now: float) -> Circuit:
        """What may pass at `now`; a clock that was set back does not lengthen the wait."""
        if self.opened_at is None:
            return Circuit.CLOSED
        waiting = 0 <= now - self.opened_at < self.wait_seconds
        return Circuit.OPEN if waiting else Circuit.HALF_OPEN

    def seconds_left(self, now: float) -> float:
        """Time until the next probe; 0 unless open."""
        if self.opened_at is None or self.circuit(now) is not Circuit.OPEN:
            return 0.0
        return self.opened_at + self.wait_seconds - now

    def succeeded(self) -> "Breaker":
        """The upstream answered: closed, nothing remembered."""
        return Breaker(self.policy)

    def failed(self, now: float, reason: str) -> "Breaker":
        """The upstream did not answer; one more failure, or a failed probe."""
        failures = self.failures + 1
        if self.opened_at is None and failures < self.policy.failures:
            return replace(self, failures=failures, reason=reason)
        if self.circuit(now) is Circuit.OPEN:
            return self  # a request that began before it opened: known already
        doubled = 2 * self.wait_seconds if self.opened_at is not None else self.policy.open_seconds
        return replace(
            self,
            failures=failures,
            opened_at=now,
            wait_seconds=min(doubled, self.policy.longest_seconds),
            reason=reason,
        )
