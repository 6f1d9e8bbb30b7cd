"""Reads a matrix, Prometheus' answer to a range selector, without building an object for every sample.

json.loads makes a list, a number and a text of each of the samples, 3 million for 10,000 pods: a minute of
processor time and 500 MB. Here the text is cut at the marks that stand between labels and samples, and the
numbers of one series are converted at once. The marks cannot be part of a label: within one, quotes are
escaped. Labels come again with every reading, so each set of them is read once and kept in a `LabelBook`. An
answer that is not written compactly, as Prometheus and Thanos write it, is read by json.loads: the same
result, only dearer.
"""

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from operator import lt
from sys import intern
from typing import Any, Final, NamedTuple

from inferno_collector.samples import cell

_RESULT: Final = b'"result":['
_SERIES: Final = b'{"metric":{"__name__":"'
_NEXT: Final = b"," + _SERIES
_VALUES: Final = b'},"values":[['
_END: Final = b"]]}"
_PUNCTUATION: Final = b'[]"'
_HEAD: Final = 200  # the result begins within so many bytes

_OWN_LABELS: Final = frozenset({"__name__", "model_name", "engine", "finished_reason"})

Target = tuple[str, tuple[tuple[str, str], ...]]
"""The `instance` and the other labels of a scrape target, without those of vLLM's own."""


class Labels(dict[str, str]):
    """Labels of series, without the name; `target` is what they say of the scrape target.

    `moments` are the times of the last series read with these labels, as text and as numbers: the next one
    mostly has the same, and half of all numbers need no reading. One tuple, as threads may share it.
    """

    __slots__ = ("moments", "target")

    def __init__(self, labels: Mapping[str, str]) -> None:
        super().__init__(labels)
        others = sorted(
            (key, value) for key, value in labels.items() if key not in _OWN_LABELS and key != "instance"
        )
        self.target: Target = (labels.get("instance", ""), tuple(others))
        self.moments: tuple[bytes, Sequence[float]] = b"", ()


class LabelBook:
    """Label sets by their text, of this reading and the one before."""

    def __init__(self) -> None:
        self._now: dict[bytes, Labels] = {}
        self._before: dict[bytes, Labels] = {}

    def turn(self) -> None:
        """Begin a reading: what the last one did not have is forgotten."""
        self._before, self._now = self._now, {}

    def labels(self, text: bytes) -> Labels:
        """The labels that follow the name. Raises ValueError when they are not all texts."""
        found = self._now.get(text)
        if found is None:
            found = self._before.get(text) or _labels(text)
            self._now[text] = found
        return found


class Series(NamedTuple):
    """A series: its name, its labels (the same object for series of one target), times and cells."""

    name: str
    labels: Labels
    times: Sequence[float]
    cells: Sequence[float]


class Matrix(NamedTuple):
    """The document around the series (its `result` is empty or not looked at), and the series."""

    document: Any
    series: list[Series]


def read_matrix(body: bytes, book: LabelBook | None = None) -> Matrix:
    """Read an answer; a series that is not understood is passed over. Raises ValueError if it is no JSON."""
    begin = body.find(_RESULT, 0, _HEAD)
    if begin >= 0:
        reader = _CompactReader(body, begin + len(_RESULT), book or LabelBook())
        series = list(reader.series())
        if reader.understood:
            return Matrix(json.loads(body[: begin + len(_RESULT)] + body[reader.position :]), series)
    document = json.loads(body)
    data = document.get("data") if isinstance(document, dict) else None
    result = data.get("result") if isinstance(data, dict) else None
    return Matrix(document, read_series(result) if isinstance(result, list) else [])


def read_series(entries: Sequence[object]) -> list[Series]:
    """Series from the API's objects."""
    return [found for entry in entries if (found := _series(entry)) is not None]


def _series(entry: object) -> Series | None:
    if not isinstance(entry, dict):
        return None
    labels, values = entry.get("metric"), entry.get("values")
    if not isinstance(labels, dict) or not isinstance(values, list):
        return None
    times, cells = _samples(values)
    others = Labels({key: str(value) for key, value in labels.items() if key != "__name__"})
    return Series(str(labels.get("__name__")), others, times, cells) if times else None


class _CompactReader:
    """Goes through the series of a body; `understood`: nothing but series was found up to the end."""

    def __init__(self, body: bytes, position: int, book: LabelBook) -> None:
        self._body = body
        self._book = book
        self.position = position
        self.understood = body.startswith(b"]", position)

    def series(self) -> Iterator[Series]:
        """The series up to the end of the result, or to what is not understood."""
        body, begin = self._body, self.position
        more = body.startswith(_SERIES, begin)
        while more:
            end = body.find(_NEXT, begin)
            more = end >= 0
            if not more:
                end = body.find(_END, body.find(_VALUES, begin)) + len(_END)
            labels, values, samples = body[begin + len(_SERIES) : end].partition(_VALUES)
            if not values or not samples.endswith(_END):
                return
            try:
                yield self._one(labels, samples)
            except ValueError:
                return
            begin = end + 1
            self.position = end
            self.understood = body.startswith(b"]", end)

    def _one(self, labels: bytes, samples: bytes) -> Series:
        """Raises ValueError for anything but pairs of numbers in order of time."""
        name, _, rest = labels.partition(b'"')
        if b"\\" in name:
            raise ValueError("a name with an escape")
        found = self._book.labels(rest)
        numbers = samples[: -len(_END)].translate(None, _PUNCTUATION).split(b",")
        values = [*map(float, numbers[1::2])]
        text = b",".join(numbers[::2])
        known, times = found.moments
        if text != known:
            times = array("d", map(float, numbers[::2]))
            if not _in_order(times):
                raise ValueError("times that are not in order")
            found.moments = text, times
        if not len(times) == len(values) == samples.count(b"],[") + 1:
            raise ValueError("not pairs of a time and a value")
        if not isfinite(sum(values)) or min(values) < 0:
            values = [*map(cell, values)]
        return Series(name.decode(), found, times, array("d", values))


def _labels(text: bytes) -> Labels:
    """Labels as they stand after the name: nothing, or a comma and more."""
    labels = json.loads(b"{" + text.removeprefix(b",") + b"}")
    if not all(isinstance(value, str) for value in labels.values()):
        raise ValueError("a label that is no text")
    # Most are the same for all pods: ten thousand times "prometheus" are 10 MB.
    return Labels({intern(key): intern(value) for key, value in labels.items()})


def _in_order(times: Sequence[float]) -> bool:
    return isfinite(sum(times)) and all(map(lt, times, times[1:]))


def _samples(values: Sequence[Any]) -> tuple[Sequence[float], Sequence[float]]:
    """Times and cells of [time, "value"] pairs; a pair of another shape or out of order is passed over."""
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
