"""Decides which span of the past a rate is read over: all that is kept, or only what came after a change.

`steadiness.py` has the test; here is what it means for pods that are scraped at different moments.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from inferno_collector.arrivals import Ledger, ledger, pooled
from inferno_collector.demand import DemandPolicy, PodEvidence
from inferno_collector.flow import Flow, pod_flow
from inferno_collector.steadiness import steady_part

_LATE: Final = 0.1
"""Part of the time between scrapes that one may be late without being counted as missing."""


@dataclass(frozen=True, slots=True)
class Change:
    """The rate rose, or fell, so many seconds before the newest scrape; older samples are left out.

    `window_seconds`: how far back samples are used; a little more than `seconds_ago` just after the change.
    `scrape_seconds`: how far apart scrapes are.
    """

    rose: bool
    seconds_ago: float
    window_seconds: float
    scrape_seconds: float

    def __str__(self) -> str:
        return f"the rate {'rose' if self.rose else 'fell'} {self.seconds_ago:.0f} s ago"


@dataclass(frozen=True, slots=True)
class Window:
    """From `begin` (seconds since the epoch) to now; after a change, each pod from its scrape next to it.

    `dispersion`: how many times more than Poisson's the arrivals in it vary from scrape to scrape.
    """

    begin: float
    change: Change | None = None
    dispersion: float = 1.0

    def flow(self, pod: PodEvidence, *, answers: bool) -> Flow:
        """What a pod did within the window; one that stopped answering is read at the group's moments."""
        if pod.history is None:
            raise ValueError("a pod without a history has no flow")
        begin = self.begin
        if self.change is not None:
            if answers:
                begin = pod.history.newest_at - self.change.window_seconds
            begin += self.change.scrape_seconds / 2  # the scrape nearest to it, be it a little late
        return pod_flow(pod.history, window_begin=begin, born_at=pod.born_at)

    def least_seconds(self, policy: DemandPolicy) -> float:
        """Least span of a pod's samples; those of one pod may lie a little closer than the group's."""
        if self.change is None:
            return policy.minimum_span_seconds
        return min(policy.minimum_span_seconds, self.change.window_seconds - self.change.scrape_seconds / 2)


def whole_window(now: float, policy: DemandPolicy) -> Window:
    """As long as the policy allows."""
    return Window(now - policy.window_seconds)


def steady_window(
    answering: Sequence[PodEvidence], gone: Sequence[PodEvidence], now: float, policy: DemandPolicy
) -> Window:
    """The longest window, up to the policy's, in which the pods' arrivals are of one rate.

    It is not shorter than the policy's spans. A policy without `caution` takes the whole window.

    Example: scrapes every 15 s, 10 arrivals in each interval, 25 in each of the newest two: the last 30 s.
    """
    whole = whole_window(now, policy)
    present = _ledgers(answering, whole)
    if policy.caution is None or not present:
        return whole
    arrivals, seconds_ago = pooled(present, _ledgers(gone, whole))
    young = seconds_ago[0] + 2 * arrivals.look_seconds < policy.window_seconds
    arrivals = replace(arrivals, from_the_start=young)
    steady = steady_part(arrivals, policy.caution)
    after_seconds = policy.after_change_seconds
    if steady.rose:  # what came before it would hide it: two scrapes after it are enough
        after_seconds = min(after_seconds, 2 * arrivals.look_seconds)
    least_seconds = max(policy.minimum_span_seconds, after_seconds)
    first = steady.first
    while first and seconds_ago[first] < least_seconds - arrivals.look_seconds * _LATE:
        first -= 1
    if not first or steady.rose is None:
        return replace(whole, dispersion=steady.dispersion)
    change = Change(steady.rose, seconds_ago[steady.first], seconds_ago[first], arrivals.look_seconds)
    return Window(max(pod.times[-1] for pod in present) - change.window_seconds, change, steady.dispersion)


def _ledgers(pods: Sequence[PodEvidence], window: Window) -> list[Ledger]:
    found = (
        ledger(pod.history, begin=window.begin, born_at=pod.born_at)
        for pod in pods
        if pod.history is not None
    )
    return [pod for pod in found if pod is not None]
