"""Estimates the demand of one variant from what its pods did: observed, idle or unknown, with the reason.

Upstream reads completions as arrivals: under overload they stop at capacity, so a scale-up crawls. Here

    arrivals = completions + change of (running + waiting), both over the same window,
    rate     = arrivals / window + waiting now / drain time.

The window is as long as the arrivals in it are of one rate (`window.py`). Tokens per request are the mean
over the longest window in any case: each completion counts once, so that a new load has its say at once, but
the first few requests after a change do not stand for all. Doubt is a result of its own and never becomes 0.

Worked example: one pod, rows (0 s: 10 done, 4 running) and (60 s: 48 done, 4 running, 12 waiting): 38
completions and 12 more in flight are 50 requests/min; draining 12 within 60 s adds 12: 62 requests/min.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inferno_collector.demand import DemandPolicy, Doubt, Estimate, Memory, PodEvidence, TokenMeans
from inferno_collector.flow import Flow, Means
from inferno_collector.holding import RateRead, stands
from inferno_collector.samples import UNUSABLE, History, Metric, usable
from inferno_collector.window import Window, steady_window, whole_window

_SECONDS_PER_MINUTE = 60.0


def estimate_demand(
    pods: Sequence[PodEvidence], now: float, policy: DemandPolicy, memory: Memory
) -> Estimate:
    """Demand over the latest window; see the module's text for the formula."""
    judged = [(pod, _is_fresh(pod.history, now, policy)) for pod in pods if pod.exists]
    fresh = [pod for pod, is_fresh in judged if is_fresh]
    silent = [pod for pod, is_fresh in judged if pod.expected and not is_fresh]
    if not fresh or len(silent) > len(fresh):
        return _unknown_for_silence(pods, fresh, silent, now)
    gone = _gone(pods, fresh, now, policy)
    window = steady_window(fresh, gone, now, policy)
    flows = [window.flow(pod, answers=True) for pod in fresh]
    begin = max(window.begin, min(flow.begin for flow in flows))
    rated = [(flow, _known_seconds(flow, begin)) for flow in flows]
    least_seconds = window.least_seconds(policy)
    steady = [(flow, known) for flow, known in rated if flow.rows > 1 and known >= least_seconds]
    unread = len(silent) + len(rated) - len(steady)
    if not steady or unread > len(steady):
        return _unknown_for_shortness(rated, policy)
    seen = _Observation(
        flows=flows,
        steady=steady,
        gone=[window.flow(pod, answers=False) for pod in gone if _newest_at(pod) > window.begin],
        token_means=_means_of_whole_window(fresh, gone, now, policy) if window.change else None,
        silent=len(silent),
        unread=unread,
        window=window,
    )
    return _measured(seen, now, policy, memory)


@dataclass(frozen=True, slots=True)
class _Observation:
    """Flows of pods that answer; those of them with enough history, with their seconds; those now gone.

    `token_means`: of a longer window than the flows', None when there is no longer one.
    """

    flows: Sequence[Flow]
    steady: Sequence[tuple[Flow, float]]
    gone: Sequence[Flow]
    token_means: Means | None
    silent: int
    unread: int
    window: Window

    @property
    def end(self) -> float:
        return max(flow.end for flow in self.flows)

    @property
    def window_seconds(self) -> float:
        return max(known for _, known in self.steady)

    def arrival_rate(self) -> float:
        """Requests per second: each pod over the seconds known of it; unread pods do as the others do."""
        share = (len(self.steady) + self.unread) / len(self.steady)
        present = sum((flow.arrived or 0.0) / known for flow, known in self.steady) * share
        absent = sum((flow.arrived or 0.0) / self._seconds_of_gone(flow) for flow in self.gone)
        return max(present + absent, 0.0)

    def _seconds_of_gone(self, flow: Flow) -> float:
        """Seconds that a pod's work spreads over that has ended: after its end it is known to do nothing."""
        return max(self.end - flow.begin, self.window_seconds)

    def means(self) -> Means:
        total = Means()
        for flow in (*(flow for flow, _ in self.steady), *self.gone):
            total = total.plus(flow.means)
        return total

    def lifetime_means(self) -> Means:
        total = Means()
        for flow in self.flows:
            total = total.plus(flow.lifetime)
        return total

    def completed(self) -> float:
        return sum(flow.completed or 0.0 for flow in (*(flow for flow, _ in self.steady), *self.gone))

    def total(self, gauge: Callable[[Flow], float | None]) -> float | None:
        values = [value for value in map(gauge, self.flows) if value is not None]
        share = (len(self.flows) + self.silent) / len(self.flows)
        return sum(values) * share if values else None


def _measured(seen: _Observation, now: float, policy: DemandPolicy, memory: Memory) -> Estimate:
    means = seen.means()
    running, waiting = seen.total(lambda flow: flow.running), seen.total(lambda flow: flow.waiting)
    in_flight = (running or 0.0) + (waiting or 0.0)
    tokens, tokens_message = _token_means(seen.token_means or means, seen, memory.tokens, now)
    flow_rate = max(seen.arrival_rate(), _rate_of_long_requests(seen, means, tokens))
    read = _rate_read(seen, flow_rate, policy, memory.rate)
    backlog_rate = (waiting or 0.0) / policy.drain_seconds if policy.drain_seconds else 0.0
    rate = read.rate + backlog_rate
    idle = not rate and not in_flight
    if idle and seen.unread:
        return Estimate(Doubt.MISSING, f"the pods that answer are idle, but {seen.unread} did not answer")
    if not idle and tokens is None:
        why = (
            "requests complete, but" if seen.completed() else f"{in_flight:g} in flight, none completed yet:"
        )
        return Estimate(
            Doubt.MISSING,
            f"{why} the tokens per request are not known",
            running=running,
            waiting=waiting,
            observed_at=seen.end,
        )
    return Estimate(
        doubt=None,
        message=_message(seen, flow_rate, read, backlog_rate, tokens_message),
        rate=rate,
        idle=idle,
        running=running,
        waiting=waiting,
        observed_at=seen.end,
        window_seconds=seen.window_seconds,
        tokens=tokens,
        rate_read=read,
        means=means,
    )


def _rate_read(seen: _Observation, rate: float, policy: DemandPolicy, last: RateRead | None) -> RateRead:
    """The last reading while it stands, else the window's rate."""
    change = seen.window.change
    since = seen.end - change.seconds_ago if change else -math.inf
    if (
        last is not None
        and since < last.at <= seen.end
        and stands(
            last,
            rate,
            seconds=seen.window_seconds,
            dispersion=seen.window.dispersion,
            deviations=policy.hold_deviations,
        )
    ):
        return last
    return RateRead(rate, seen.end, seen.window_seconds)


def _is_fresh(history: History | None, now: float, policy: DemandPolicy) -> bool:
    """Whether the newest row is recent and holds the numbers that demand is made of.

    Recent means within the policy's bound, or three scrape intervals when these are longer.
    """
    if history is None or not len(history):
        return False
    intervals = max(len(history) - 1, 1)
    scrape_seconds = (history.newest_at - history.oldest_at) / intervals
    return (
        history.newest_at >= now - max(policy.stale_after_seconds, 3 * scrape_seconds)
        and usable(history.value(Metric.COMPLETED, -1))
        and UNUSABLE not in (history.value(Metric.RUNNING, -1), history.value(Metric.WAITING, -1))
    )


def _known_seconds(flow: Flow, begin: float) -> float:
    """Seconds that the pod's work is known over: before it was born it is known to have done nothing."""
    return flow.end - (min(begin, flow.begin) if flow.born else flow.begin)


def _gone(
    pods: Sequence[PodEvidence], fresh: Sequence[PodEvidence], now: float, policy: DemandPolicy
) -> list[PodEvidence]:
    """Pods that were deleted, or stopped being ready, within the window: what they did until then counts."""
    begin = whole_window(now, policy).begin
    answering = {id(pod) for pod in fresh}
    return [
        pod
        for pod in pods
        if id(pod) not in answering
        and not (pod.exists and pod.expected)
        and pod.history is not None
        and len(pod.history) > 1
        and _newest_at(pod) > begin
    ]


def _newest_at(pod: PodEvidence) -> float:
    return pod.history.newest_at if pod.history else -math.inf


def _means_of_whole_window(
    fresh: Sequence[PodEvidence], gone: Sequence[PodEvidence], now: float, policy: DemandPolicy
) -> Means:
    window, total = whole_window(now, policy), Means()
    for pod in (*fresh, *gone):
        total = total.plus(window.flow(pod, answers=True).means)
    return total


def _token_means(
    means: Means, seen: _Observation, remembered: TokenMeans | None, now: float
) -> tuple[TokenMeans | None, str]:
    """Means of the window; else the last ones known; else those over the pods' lives; else nothing."""
    recent = _tokens_of(means, seen.end)
    if recent is not None:
        return recent, ""
    if remembered is not None:
        return remembered, f"tokens per request as last seen {now - remembered.at:.0f} s ago"
    lifetime = _tokens_of(seen.lifetime_means(), seen.end)
    return lifetime, "tokens per request are the mean since the pods started" if lifetime else ""


def _tokens_of(means: Means, at: float) -> TokenMeans | None:
    output_tokens = means.output_tokens.value
    if not output_tokens:
        return None
    return TokenMeans(input_tokens=means.input_tokens.value or 0.0, output_tokens=output_tokens, at=at)


def _rate_of_long_requests(seen: _Observation, means: Means, tokens: TokenMeans | None) -> float:
    """Requests per second by Little's law when requests outlast the window, else 0.

    With no completion and no arrival in the window the rate would read 0 although work goes on: what was in
    flight all the time, divided by the time that one request takes, is the rate that keeps it there.
    """
    seconds_per_token = means.itl_seconds.value
    if seen.completed() or tokens is None or not seconds_per_token:
        return 0.0
    steady = sum(min(flow.in_flight_at_begin, flow.in_flight) for flow, _ in seen.steady)
    return steady / (tokens.output_tokens * seconds_per_token)


def _message(
    seen: _Observation, flow_rate: float, read: RateRead, backlog_rate: float, tokens_message: str
) -> str:
    before = sum(flow.in_flight_at_begin for flow, _ in seen.steady)
    after = sum(flow.in_flight for flow, _ in seen.steady)
    arrived = f"{flow_rate * _SECONDS_PER_MINUTE:.1f} requests/min arrived over {seen.window_seconds:.0f} s"
    parts = [f"{arrived}: {seen.completed():.0f} completed, in flight {before:.0f} -> {after:.0f}"]
    if seen.window.change:
        parts.append(str(seen.window.change))
    if read.rate != flow_rate:
        held = f"{read.rate * _SECONDS_PER_MINUTE:.1f} as read {seen.end - read.at:.0f} s ago"
        parts.append(f"within its noise of {held}, which stands")
    if backlog_rate:
        parts.append(f"draining the queue adds {backlog_rate * _SECONDS_PER_MINUTE:.1f}")
    if seen.unread:
        parts.append(f"{seen.unread} of {len(seen.steady) + seen.unread} pods taken as the others' mean")
    if tokens_message:
        parts.append(tokens_message)
    return "; ".join(parts)


def _unknown_for_silence(
    pods: Sequence[PodEvidence], fresh: Sequence[PodEvidence], silent: Sequence[PodEvidence], now: float
) -> Estimate:
    newest = max((pod.history.newest_at for pod in pods if pod.history), default=None)
    errors = sorted({pod.error for pod in silent if pod.error})
    because = f": {errors[0]}" if errors else ""
    if fresh:
        return Estimate(
            Doubt.STALE if newest else Doubt.MISSING,
            f"only {len(fresh)} of {len(fresh) + len(silent)} ready pods answer with fresh metrics{because}",
        )
    if any(pod.history and _reports_nonsense(pod.history) for pod in pods):
        return Estimate(Doubt.MISSING, "the pods report NaN or negative numbers")
    if newest is not None:
        return Estimate(
            Doubt.STALE, f"the newest sample is {now - newest:.0f} s old{because}", observed_at=newest
        )
    if not any(pod.exists for pod in pods):
        return Estimate(Doubt.MISSING, "no pod runs, so nothing measures the demand")
    return Estimate(Doubt.MISSING, f"no ready pod has metrics yet{because}")


def _unknown_for_shortness(rated: Sequence[tuple[Flow, float]], policy: DemandPolicy) -> Estimate:
    longest = max(known for _, known in rated)
    return Estimate(
        Doubt.MISSING,
        f"only {longest:.0f} s of samples so far; a rate needs at least two "
        f"that span {policy.minimum_span_seconds:g} s",
        observed_at=max(flow.end for flow, _ in rated),
    )


def _reports_nonsense(history: History) -> bool:
    needed = (Metric.COMPLETED, Metric.RUNNING, Metric.WAITING)
    return len(history) > 0 and UNUSABLE in [history.value(metric, -1) for metric in needed]
