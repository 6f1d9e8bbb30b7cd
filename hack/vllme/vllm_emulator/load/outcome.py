"""What came of the requests: one outcome each, counted and summed up as percentiles against the SLO. Pure."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence

PERCENTILES = (50, 90, 95, 99)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """One finished request. Without streaming only `e2e_ms` is known of an answer's timing."""

    sent_unix_seconds: float
    e2e_ms: float
    ttft_ms: float | None = None
    itl_ms: float | None = None  # mean time between two of its tokens
    output_tokens: int = 0
    error: str | None = None

    @property
    def ok(self) -> bool:
        """The answer came completely."""
        return self.error is None

    def as_json(self) -> dict[str, object]:
        """One line of the report."""
        line: dict[str, object] = {
            "t": round(self.sent_unix_seconds, 3),
            "ttft_ms": _rounded(self.ttft_ms),
            "itl_ms": _rounded(self.itl_ms),
            "e2e_ms": _rounded(self.e2e_ms),
            "output_tokens": self.output_tokens,
            "ok": self.ok,
        }
        return line if self.ok else line | {"error": self.error}


@dataclasses.dataclass(slots=True)
class Tally:
    """Counts while the load runs."""

    sent: int = 0
    dropped: int = 0  # due, but --max-concurrency answers were outstanding
    outcomes: list[Outcome] = dataclasses.field(default_factory=list)

    @property
    def ok(self) -> int:
        """Complete answers."""
        return sum(outcome.ok for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        """Requests that ended with an error."""
        return len(self.outcomes) - self.ok

    @property
    def outstanding(self) -> int:
        """Requests without an end so far."""
        return self.sent - len(self.outcomes)

    def errors(self) -> list[tuple[str, int]]:
        """Each error and how often it came, the most frequent first."""
        return Counter(outcome.error for outcome in self.outcomes if outcome.error is not None).most_common()


@dataclasses.dataclass(frozen=True, slots=True)
class Distribution:
    """One latency over all answers, in ms, against its target."""

    mean_ms: float
    percentiles_ms: tuple[float, ...]  # in the order of PERCENTILES
    slo_ms: float | None
    within: float | None  # share of all finished requests; a failed one is a miss

    def as_json(self) -> dict[str, object]:
        """A part of the report's summary."""
        named = {
            f"p{share}": round(value, 3)
            for share, value in zip(PERCENTILES, self.percentiles_ms, strict=True)
        }
        return {
            "mean": round(self.mean_ms, 3),
            **named,
            "slo": self.slo_ms,
            "within": _rounded(self.within, 4),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Slo:
    """The targets of the user's service class."""

    itl_ms: float
    ttft_ms: float


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` percent lie, interpolated: of 1, 2, 3, 4 the 50th is 2.5."""
    position = (len(ordered) - 1) * share / 100
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def distributions(outcomes: Sequence[Outcome], slo: Slo) -> dict[str, Distribution]:
    """TTFT, ITL and e2e of the complete answers; what was not measured is left out."""
    good = [outcome for outcome in outcomes if outcome.ok]
    failed = len(outcomes) - len(good)
    measured = {
        "ttft": ([outcome.ttft_ms for outcome in good if outcome.ttft_ms is not None], slo.ttft_ms),
        "itl": ([outcome.itl_ms for outcome in good if outcome.itl_ms is not None], slo.itl_ms),
        "e2e": ([outcome.e2e_ms for outcome in good], None),
    }
    return {
        name: _distribution(sorted(values), slo_ms, failed)
        for name, (values, slo_ms) in measured.items()
        if values
    }


def summary(tally: Tally, slo: Slo, *, seconds: float) -> dict[str, object]:
    """The last line of the report."""
    latencies = {
        f"{name}_ms": values.as_json() for name, values in distributions(tally.outcomes, slo).items()
    }
    return {
        "summary": {
            "seconds": round(seconds, 3),
            "sent": tally.sent,
            "ok": tally.ok,
            "failed": tally.failed,
            "dropped": tally.dropped,
            "unfinished": tally.outstanding,
            "errors": dict(tally.errors()),
            **latencies,
        }
    }


def _distribution(ordered: Sequence[float], slo_ms: float | None, failed: int) -> Distribution:
    within = None
    if slo_ms is not None:
        within = sum(value <= slo_ms for value in ordered) / (len(ordered) + failed)
    return Distribution(
        mean_ms=sum(ordered) / len(ordered),
        percentiles_ms=tuple(percentile(ordered, share) for share in PERCENTILES),
        slo_ms=slo_ms,
        within=within,
    )


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
