"""Turns Prometheus series into histories: whose they are, which of them are copies, and how they align.

Everything that is not a label of vLLM's own (job, service, prometheus_replica, ...) tells targets apart.
Targets with the same `instance` are the same endpoint scraped twice, and only one of them counts.

A reading need not ask for what the one before has told: histories are kept by target, and new rows continue
them. They say the same as if all of it had been asked for again.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import inf, isnan
from typing import Final, NamedTuple

from inferno_collector.roster import Roster
from inferno_collector.samples import (
    ABSENT,
    GAUGES,
    OLDER_NAMES,
    SAMPLE_NAMES,
    History,
    Metric,
    PodKey,
)
from inferno_collector.sources.matrix import Labels, Series, Target

# A gauge holds for so many of its own scrape intervals: copies by two replicas do not share their times.
_SCRAPES_HELD: Final = 2.0

_Part = tuple[str, str | None, str | None]
"""Name, engine and finish reason of a series: what makes it another one of its target."""

_Found = dict[_Part, Series]
"""Series of one target; one that comes twice counts once."""


class _Owner(NamedTuple):
    pod: PodKey | None
    namespace: str
    model: str


class KeptHistory(NamedTuple):
    """What is known of one target and model: whose it is, the series that it is made of, and the rows."""

    owner: _Owner
    parts: frozenset[_Part]
    history: History


Kept = dict[tuple[Target, str], KeptHistory]
"""Histories by target and model."""


class Placed(NamedTuple):
    """Histories by pod and model, those without a pod by (namespace or "", model); all again, to be kept."""

    by_pod: Mapping[PodKey, Mapping[str, tuple[History, ...]]]
    by_model: Mapping[tuple[str, str], tuple[History, ...]]
    kept: Kept


def place_series(
    series: Iterable[Series], roster: Roster, kept: Kept | None = None, *, since: float = -inf
) -> Placed:
    """Histories of the series that we know by name, each continuing the one that was `kept` of its target.

    Rows before `since` (seconds since the epoch) are dropped, and so is a target that has no later ones.
    `kept` is used up: of a large cluster there is no room for all histories twice.
    """
    old = {} if kept is None else kept
    now = _by_target(series, _PodResolver(roster), old, since)
    now.update((key, left) for key, left in old.items() if left.history.newest_at >= since)
    old.clear()
    grouped: dict[_Owner, dict[Target, History]] = defaultdict(dict)
    for (target, _), found in now.items():
        grouped[found.owner][target] = found.history
    by_pod: dict[PodKey, dict[str, tuple[History, ...]]] = defaultdict(dict)
    by_model: dict[tuple[str, str], tuple[History, ...]] = {}
    for owner, targets in grouped.items():
        histories = tuple(_one_per_instance(targets))
        if owner.pod is not None:
            by_pod[owner.pod][owner.model] = histories
        else:
            by_model[owner.namespace, owner.model] = histories
    return Placed(by_pod, by_model, now)


def _by_target(
    series: Iterable[Series], resolver: "_PodResolver", kept: Kept, since: float
) -> dict[tuple[Target, str], KeptHistory]:
    owners: dict[tuple[Target, str], _Owner] = {}
    targets: dict[tuple[Target, str], _Found] = {}
    places: dict[int, tuple[Labels, _Found, str | None, str | None]] = {}
    for entry in series:
        if entry.name not in SAMPLE_NAMES:
            continue
        place = places.get(id(entry.labels))
        if place is None:  # series of one target share their labels: each is looked at once
            labels = entry.labels
            owner = resolver.owner(labels)
            key = labels.target, owner.model
            owners[key] = owner
            found = targets.setdefault(key, {})
            place = places[id(labels)] = labels, found, labels.get("engine"), labels.get("finished_reason")
        _, found, engine, reason = place
        found[entry.name, engine, reason] = entry
    places.clear()
    alike: dict[frozenset[_Part], frozenset[_Part]] = {}
    histories: dict[tuple[Target, str], KeptHistory] = {}
    for key in list(targets):
        found = targets.pop(key)
        parts = frozenset(found)
        parts = alike.setdefault(parts, parts)
        history = _continued(kept.pop(key, None), parts, _history(found.values()), since)
        histories[key] = KeptHistory(owners[key], parts, history)
    return histories


def _continued(old: KeptHistory | None, parts: frozenset[_Part], new: History, since: float) -> History:
    """The rows that were kept and the new ones; only these when a sum is of other series than before.

    A row of another sum would look like work done, or like a restart: an engine or a finish reason more.
    """
    if old is None or (old.parts != parts and not _same_sums(old.parts, parts)):
        return new
    times = old.history.times
    end = bisect_left(times, new.times[0])
    return old.history.rows(min(max(bisect_right(times, since) - 1, 0), end), end).followed_by(new)


def _same_sums(before: frozenset[_Part], after: frozenset[_Part]) -> bool:
    """Whether each name that both have is made of the same series."""
    common = {part[0] for part in before} & {part[0] for part in after}
    return all((part in before) == (part in after) for part in before | after if part[0] in common)


class _PodResolver:
    """Finds a series' pod: by its label, or by the address that was scraped.

    OpenShift's and other stacks' `exported_*` labels are what the series itself said before the scraper's own
    `pod` and `namespace` took the place, so they come first.
    """

    def __init__(self, roster: Roster) -> None:
        self._by_name: dict[str, list[PodKey]] = defaultdict(list)
        self._by_host: dict[str, PodKey] = {}
        for key, pod in roster.items():
            self._by_name[key[1]].append(key)
            if pod.exists and pod.address:
                self._by_host[pod.address.rpartition(":")[0]] = key

    def owner(self, labels: Mapping[str, str]) -> _Owner:
        model = labels.get("model_name", "")
        namespace = labels.get("exported_namespace") or labels.get("namespace") or ""
        name = labels.get("exported_pod") or labels.get("pod")
        if name and namespace:
            return _Owner((namespace, name), namespace, model)
        if name and len(self._by_name.get(name, ())) == 1:
            return _Owner(self._by_name[name][0], namespace, model)
        scraped = self._by_host.get(labels.get("instance", "").rpartition(":")[0])
        return _Owner(scraped, namespace, model)


def _one_per_instance(targets: Mapping[Target, History]) -> Iterator[History]:
    """Of the copies of one endpoint the one with the newest and then the most samples."""
    if len(targets) == 1:
        yield from targets.values()
        return
    best: dict[str, History] = {}
    for (instance, _), history in sorted(targets.items(), key=lambda entry: entry[0]):
        known = best.get(instance)
        if known is None or (history.newest_at, len(history)) > (known.newest_at, len(known)):
            best[instance] = history
    yield from best.values()


def _history(series: Collection[Series]) -> History:
    """Align the series of one target: they come from the same scrapes and nearly always share their times."""
    times = _common_times(entry.times for entry in series)
    columns: dict[Metric, Sequence[float]] = {
        SAMPLE_NAMES[entry.name]: entry.cells for entry in series if len(entry.times) == len(times)
    }
    if len(columns) < len(series):
        columns = _summed(series, times)
    if Metric.COMPLETED not in columns and Metric.RUNNING in columns:
        # A labelled counter has no series before its first event; the gauges show that the engine is there.
        columns[Metric.COMPLETED] = [0.0] * len(times)
    return History.of_columns(times, columns)


def _summed(series: Iterable[Series], times: Sequence[float]) -> dict[Metric, Sequence[float]]:
    """Columns that are made of several series, or of series that do not have all of `times`."""
    by_name: dict[str, list[Series]] = defaultdict(list)
    for entry in series:
        by_name[entry.name].append(entry)
    return {
        SAMPLE_NAMES[name]: _sum(listed, times, gauge=SAMPLE_NAMES[name] in GAUGES)
        for name, listed in by_name.items()
        if OLDER_NAMES.get(name) not in by_name
    }


def _common_times(found: Iterable[Sequence[float]]) -> Sequence[float]:
    """All times of the series: mostly those of the longest one, of which the others have the latest."""
    distinct = list({id(moments): moments for moments in found}.values())
    longest = max(distinct, key=len)
    if all(_are_latest(moments, longest) for moments in distinct):
        return longest
    return sorted(set().union(*distinct))


def _are_latest(moments: Sequence[float], times: Sequence[float]) -> bool:
    return moments is times or moments == times[len(times) - len(moments) :]


def _sum(listed: Sequence[Series], times: Sequence[float], *, gauge: bool) -> Sequence[float]:
    """Sum of series (engines, finish reasons) at each of `times`; what is not known adds nothing."""
    columns = [_at(entry, times, gauge=gauge) for entry in listed]
    if len(columns) == 1:
        return columns[0]
    return [_total(values) for values in zip(*columns, strict=True)]


def _total(values: Sequence[float]) -> float:
    known = [value for value in values if not isnan(value)]
    return sum(known) if known else ABSENT


def _at(series: Series, times: Sequence[float], *, gauge: bool) -> Sequence[float]:
    """Cells of a series at each of `times`, which are the same or more.

    Between its samples a series has the last value. One that begins later than the others (a finish reason
    seen for the first time) counts its first value before its beginning: better one completion too few than
    a jump that never was. A gauge that has ended is not known any more, however long the counters go on.
    """
    moments, cells = series.times, series.cells
    earlier = len(times) - len(moments)
    if _are_latest(moments, times):
        return cells if not earlier else array("d", [cells[0]]) * earlier + array("d", cells)
    held = [cells[max(bisect_right(moments, time) - 1, 0)] for time in times]
    if not gauge:
        return held
    last = moments[-1] + _SCRAPES_HELD * (moments[-1] - moments[0]) / max(len(moments) - 1, 1)
    return [value if time <= last else ABSENT for time, value in zip(times, held, strict=True)]
