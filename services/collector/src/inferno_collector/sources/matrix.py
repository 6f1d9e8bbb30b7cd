"""Reads a matrix, Prometheus' answer to a range selector, without building an object for every sample.

json.loads makes a list, a number and a text of each of the samples, 3 million for 10,000 pods: a minute of
processor time and 500 MB. Here the text is cut at the marks that stand between labels and samples, and the
numbers of one series are converted at once. An answer that is not written compactly, as Prometheus and Thanos
write it, is read by json.loads: the same result, only dearer.
"""

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from operator import lt
from typing import Any, Final, NamedTuple

from inferno_collector.samples import cell

_RESULT: Final = b'"result":['
_METRIC: Final = b'{"metric":'
_VALUES: Final = b',"values":[['
_END: Final = b"]]}"
_NAME: Final = b'{"__name__":"'
_PUNCTUATION: Final = b'[]"'
_HEAD: Final = 200  # the result begins within so many bytes

Labels = Mapping[str, str]


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


def read_matrix(body: bytes) -> Matrix:
    """Read an answer; a series that is not understood is passed over. Raises ValueError if it is no JSON."""
    begin = body.find(_RESULT, 0, _HEAD)
    if begin >= 0:
        reader = _CompactReader(body, begin + len(_RESULT))
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
    others = {key: str(value) for key, value in labels.items() if key != "__name__"}
    return Series(str(labels.get("__name__")), others, times, cells) if times else None


class _CompactReader:
    """Goes through the series of a body; `understood`: nothing but series was found up to the end."""

    def __init__(self, body: bytes, position: int) -> None:
        self._body = body
        self._labels: dict[bytes, Labels] = {}
        self._moments: list[bytes] = []
        self._times: Sequence[float] = ()
        self.position = position
        self.understood = body.startswith(b"]", position)

    def series(self) -> Iterator[Series]:
        """The series up to the end of the result, or to what is not understood."""
        body = self._body
        while body.startswith(_METRIC, self.position):
            middle = body.find(_VALUES, self.position)
            end = body.find(_END, middle)
            if middle < 0 or end < 0:
                return
            labels = body[self.position + len(_METRIC) : middle]
            try:
                yield self._one(labels, body[middle + len(_VALUES) : end])
            except ValueError:
                return
            self.position = end + len(_END)
            self.understood = body.startswith(b"]", self.position)
            if not body.startswith(b",", self.position):
                return
            self.position += 1

    def _one(self, labels: bytes, samples: bytes) -> Series:
        """Raises ValueError for anything but pairs of numbers in order of time."""
        numbers = samples.translate(None, _PUNCTUATION).split(b",")
        moments, values = numbers[::2], [*map(float, numbers[1::2])]
        if moments != self._moments:  # series of one target have the same times: they are read once
            self._moments, self._times = moments, array("d", map(float, moments))
            if not _in_order(self._times):
                raise ValueError("times that are not in order")
        if not len(moments) == len(values) == samples.count(b"],[") + 1:
            raise ValueError("not pairs of a time and a value")
        if not isfinite(sum(values)) or min(values) < 0:
            values = [*map(cell, values)]
        name, others = self._split(labels)
        return Series(name, others, self._times, array("d", values))

    def _split(self, labels: bytes) -> tuple[str, Labels]:
        """The name, and the other labels: series of one target share them, so they are read once."""
        if not labels.startswith(_NAME):
            raise ValueError("the name is not the first label")
        end = labels.find(b'"', len(_NAME))
        name, rest = labels[len(_NAME) : end], labels[end + 1 :]
        if b"\\" in name:
            raise ValueError("a name with an escape")
        if rest not in self._labels:
            others = json.loads(b"{" + rest.removeprefix(b","))
            if not all(isinstance(value, str) for value in others.values()):
                raise ValueError("a label that is no text")
            self._labels[rest] = others
        return name.decode(), self._labels[rest]


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
