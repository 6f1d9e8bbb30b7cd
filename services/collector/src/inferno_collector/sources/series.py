"""Turns Prometheus series into histories: whose they are, which of them are copies, and how they align.

Everything that is not a label of vLLM's own (job, service, prometheus_replica, ...) tells targets apart.
Targets with the same `instance` are the same endpoint scraped twice, and only one of them counts.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from operator import lt
from typing import Any, Final, NamedTuple

from inferno_collector.roster import Roster
from inferno_collector.samples import OLDER_NAMES, SAMPLE_NAMES, History, Metric, PodKey, cell

_OWN_LABELS: Final = frozenset({"__name__", "model_name", "engine", "finished_reason"})

Samples = tuple[Sequence[float], Sequence[float]]
"""Times and cells of one series."""


_ByName = dict[str, dict[tuple[str, str], Samples]]
"""Series of one target by name, then by engine and finish reason."""


class Placed(NamedTuple):
    """Histories by pod and model, and those without a pod by (namespace or "", model)."""

    by_pod: Mapping[PodKey, Mapping[str, tuple[History, ...]]]
    by_model: Mapping[tuple[str, str], tuple[History, ...]]


class _Owner(NamedTuple):
    pod: PodKey | None
    namespace: str
    model: str


def place_series(series: Iterable[Mapping[str, Any]], roster: Roster) -> Placed:
    """Histories from the API's series objects; one that is not understood is passed over."""
    resolver = _PodResolver(roster)
    targets: dict[_Owner, dict[Target, _ByName]] = defaultdict(dict)
    for entry in series:
        labels, values = entry.get("metric"), entry.get("values")
        if not isinstance(labels, dict) or not isinstance(values, list):
            continue
        name = str(labels.get("__name__"))
        samples = _samples(values)
        if name not in SAMPLE_NAMES or not samples[0]:
            continue
        target = targets[resolver.owner(labels)].setdefault(_target(labels), defaultdict(dict))
        target[name][str(labels.get("engine")), str(labels.get("finished_reason"))] = samples
    by_pod: dict[PodKey, dict[str, tuple[History, ...]]] = defaultdict(dict)
    by_model: dict[tuple[str, str], tuple[History, ...]] = {}
    for owner, found in targets.items():
        histories = tuple(_one_per_instance(found))
        if owner.pod is not None:
            by_pod[owner.pod][owner.model] = histories
        else:
            by_model[owner.namespace, owner.model] = histories
    return Placed(by_pod, by_model)


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


Target = tuple[str, tuple[tuple[str, str], ...]]
"""The `instance` and the other labels of a scrape target."""


def _target(labels: Mapping[str, str]) -> Target:
    others = sorted(
        (key, value) for key, value in labels.items() if key not in _OWN_LABELS and key != "instance"
    )
    return labels.get("instance", ""), tuple(others)


def _one_per_instance(targets: Mapping[Target, _ByName]) -> Iterator[History]:
    """Of the copies of one endpoint the one with the newest and then the most samples."""
    best: dict[str, History] = {}
    for (instance, _), by_name in sorted(targets.items()):
        history = _history(by_name)
        known = best.get(instance)
        if known is None or (history.newest_at, len(history)) > (known.newest_at, len(known)):
            best[instance] = history
    yield from best.values()


def _history(by_name: _ByName) -> History:
    """Align the series of one target: they come from the same scrapes and nearly always share their times."""
    all_series = [samples for listed in by_name.values() for samples in listed.values()]
    times = sorted(set().union(*(moments for moments, _ in all_series)))
    columns = {
        SAMPLE_NAMES[name]: _sum(list(listed.values()), times)
        for name, listed in by_name.items()
        if OLDER_NAMES.get(name) not in by_name
    }
    if Metric.COMPLETED not in columns and Metric.RUNNING in columns:
        # A labelled counter has no series before its first event; the gauges show that the engine is there.
        columns[Metric.COMPLETED] = [0.0] * len(times)
    return History.of_columns(times, columns)


def _sum(listed: Sequence[Samples], times: Sequence[float]) -> Sequence[float]:
    """Sum of series (engines, finish reasons) at each of `times`.

    A series that lacks a time has its last value before it. One that begins later than the others (a finish
    reason seen for the first time) counts its first value before its beginning: better one completion too few
    than a jump that never was.
    """
    columns = [_at(samples, times) for samples in listed]
    return columns[0] if len(columns) == 1 else [sum(values) for values in zip(*columns, strict=True)]


def _at(samples: Samples, times: Sequence[float]) -> Sequence[float]:
    moments, cells = samples
    if len(moments) == len(times):
        return cells
    return [cells[max(bisect_right(moments, time) - 1, 0)] for time in times]


def _samples(values: Sequence[Any]) -> Samples:
    """Times and cells of the API's [time, "value"] pairs; a pair of another shape is passed over."""
    try:
        times, texts = zip(*values, strict=True)
        cells = [*map(float, texts)]
        in_order = isfinite(sum(times)) and all(map(lt, times, times[1:]))
        if in_order and isfinite(sum(cells)) and min(cells) >= 0:
            return times, cells
    except (TypeError, ValueError):
        pass
    return _samples_one_by_one(values)


def _samples_one_by_one(values: Sequence[Any]) -> Samples:
    times: list[float] = []
    cells: list[float] = []
    for pair in values:
        try:
            time, value = map(float, pair)
        except (TypeError, ValueError):
            continue
        if isfinite(time) and (not times or time > times[-1]):
            times.append(time)
            cells.append(cell(value))
    return times, cells
