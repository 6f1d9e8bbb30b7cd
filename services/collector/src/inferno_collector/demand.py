"""What an estimator of demand is given and what it answers: the seam between measuring and judging.

`estimation.py` holds the estimator in use; another one is another function of the type `DemandEstimator`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from inferno_collector.flow import Means
from inferno_collector.holding import RateRead
from inferno_collector.reasons import Reason
from inferno_collector.samples import History
from inferno_collector.steadiness import Caution


@dataclass(frozen=True, slots=True)
class DemandPolicy:
    """How demand is read.

    `window_seconds`: span that rates are measured over; less is used while there is less, but not below
    `minimum_span_seconds`. `stale_after_seconds`: a pod whose newest scrape is older says nothing about now.
    `drain_seconds`: time to work off a queue; 0 leaves the queue to the headroom.
    `caution`: with it the window begins at the last change of the rate that is beyond doubt, at the latest
    `after_change_seconds` ago: a few requests tell that the rate fell, not how far. After a rise two scrapes
    are enough: what came before would hide it. None: never cut.
    `hold_deviations`: the last reading stands while the window's rate is no more standard deviations away
    (`holding.py`); 0: every reading is the window's own.
    """

    window_seconds: float = 60.0
    minimum_span_seconds: float = 10.0
    stale_after_seconds: float = 30.0
    drain_seconds: float = 60.0
    caution: Caution | None = None
    after_change_seconds: float = 30.0
    hold_deviations: float = 0.0


class Doubt(StrEnum):
    """Why a load is unknown; the words of the condition `MetricsAvailable`."""

    MISSING = Reason.METRICS_MISSING
    STALE = Reason.METRICS_STALE
    SOURCE = Reason.PROMETHEUS_ERROR


@dataclass(frozen=True, slots=True)
class PodEvidence:
    """One pod of a variant: its history, and what the cluster says about it.

    `expected`: a ready pod that should answer by now, so that silence is doubt and not absence.
    `error`: why it could not be read, when the source knows.
    """

    history: History | None
    born_at: float | None = None
    expected: bool = True
    exists: bool = True
    error: str | None = None


@dataclass(frozen=True, slots=True)
class TokenMeans:
    """Mean tokens per request and the time of the newest sample that they come from."""

    input_tokens: float
    output_tokens: float
    at: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What one reading leaves to the next; without it the next one is as good, only less calm."""

    tokens: TokenMeans | None = None
    rate: RateRead | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The demand of a group of pods. Rates in requests per second; `doubt` set means unknown."""

    doubt: Doubt | None
    message: str
    rate: float = 0.0
    idle: bool = False
    running: float | None = None
    waiting: float | None = None
    observed_at: float | None = None
    window_seconds: float | None = None
    tokens: TokenMeans | None = None
    rate_read: RateRead | None = None
    means: Means = field(default_factory=Means)


DemandEstimator = Callable[[Sequence[PodEvidence], float, DemandPolicy, Memory], Estimate]
"""(pods, now, policy, what earlier readings left) -> estimate."""
