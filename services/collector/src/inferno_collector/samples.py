"""What a serving engine tells about itself, as time series: one row per scrape, one column per metric.

Both sources deliver this form, so that everything behind them is the same pure code.
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final


class Metric(IntEnum):
    """Columns of a history. Counters first; the two gauges last."""

    COMPLETED = 0
    PROMPT_TOKENS_SUM = 1
    PROMPT_TOKENS_COUNT = 2
    GENERATION_TOKENS_SUM = 3
    GENERATION_TOKENS_COUNT = 4
    QUEUE_SECONDS_SUM = 5
    QUEUE_SECONDS_COUNT = 6
    TTFT_SECONDS_SUM = 7
    TTFT_SECONDS_COUNT = 8
    ITL_SECONDS_SUM = 9
    ITL_SECONDS_COUNT = 10
    RUNNING = 11
    WAITING = 12


GAUGES: Final = frozenset({Metric.RUNNING, Metric.WAITING})

ABSENT: Final = math.nan
"""The engine did not report this metric in this scrape."""

UNUSABLE: Final = math.inf
"""The engine reported NaN, an infinity or a negative number: not the same as absent, and never 0."""

# Name of the exposed sample -> column. Where two names feed one column the newer vLLM's comes first and wins
# within a scrape; during a rollout old and new pods differ, and each is read by what it has.
SAMPLE_NAMES: Final[Mapping[str, Metric]] = {
    "vllm:request_success_total": Metric.COMPLETED,
    "vllm:request_prompt_tokens_sum": Metric.PROMPT_TOKENS_SUM,
    "vllm:request_prompt_tokens_count": Metric.PROMPT_TOKENS_COUNT,
    "vllm:request_generation_tokens_sum": Metric.GENERATION_TOKENS_SUM,
    "vllm:request_generation_tokens_count": Metric.GENERATION_TOKENS_COUNT,
    "vllm:request_queue_time_seconds_sum": Metric.QUEUE_SECONDS_SUM,
    "vllm:request_queue_time_seconds_count": Metric.QUEUE_SECONDS_COUNT,
    "vllm:time_to_first_token_seconds_sum": Metric.TTFT_SECONDS_SUM,
    "vllm:time_to_first_token_seconds_count": Metric.TTFT_SECONDS_COUNT,
    "vllm:inter_token_latency_seconds_sum": Metric.ITL_SECONDS_SUM,
    "vllm:inter_token_latency_seconds_count": Metric.ITL_SECONDS_COUNT,
    "vllm:time_per_output_token_seconds_sum": Metric.ITL_SECONDS_SUM,
    "vllm:time_per_output_token_seconds_count": Metric.ITL_SECONDS_COUNT,
    "vllm:num_requests_running": Metric.RUNNING,
    "vllm:num_requests_waiting": Metric.WAITING,
}

OLDER_NAMES: Final[Mapping[str, str]] = {
    "vllm:time_per_output_token_seconds_sum": "vllm:inter_token_latency_seconds_sum",
    "vllm:time_per_output_token_seconds_count": "vllm:inter_token_latency_seconds_count",
}

_WIDTH: Final = len(Metric) + 1  # the time, then a column per metric

PodKey = tuple[str, str]
"""(namespace, name) of a pod."""


def usable(value: float) -> bool:
    """Whether a cell holds a number: neither ABSENT nor UNUSABLE."""
    return math.isfinite(value)


def cell(value: float) -> float:
    """A reported number as a cell: what cannot be a count or a duration is UNUSABLE."""
    return value if math.isfinite(value) and value >= 0 else UNUSABLE


@dataclass(frozen=True, slots=True)
class History:
    """Scrapes of one model in one pod, oldest first. Times in seconds since the epoch, rising strictly."""

    cells: "array[float]" = field(repr=False)

    @classmethod
    def of(cls, rows: Iterable[tuple[float, Mapping[Metric, float]]]) -> "History":
        """Build a history from (time, values) rows; a metric left out of a row is ABSENT there."""
        cells = array("d")
        for at, values in rows:
            cells.append(at)
            cells.extend(values.get(metric, ABSENT) for metric in Metric)
        return cls(cells)

    @classmethod
    def of_columns(cls, times: Sequence[float], columns: Mapping[Metric, Sequence[float]]) -> "History":
        """Build a history from whole columns, each as long as `times`; a metric left out is ABSENT."""
        cells = array("d", [ABSENT]) * (len(times) * _WIDTH)
        cells[::_WIDTH] = array("d", times)
        for metric, column in columns.items():
            cells[1 + metric :: _WIDTH] = column if isinstance(column, array) else array("d", column)
        return cls(cells)

    def rows(self, begin: int, end: int) -> "History":
        """The rows from `begin` up to, not including, `end`."""
        return History(self.cells[begin * _WIDTH : end * _WIDTH])

    def followed_by(self, later: "History") -> "History":
        """These rows and `later` ones."""
        return History(self.cells + later.cells)

    def __len__(self) -> int:
        return len(self.cells) // _WIDTH

    @property
    def times(self) -> Sequence[float]:
        """Time of each row."""
        return self.cells[::_WIDTH]

    @property
    def oldest_at(self) -> float:
        """Time of the oldest row."""
        return self.cells[0]

    @property
    def newest_at(self) -> float:
        """Time of the newest row."""
        return self.cells[-_WIDTH]

    def column(self, metric: Metric, first_row: int = 0) -> Sequence[float]:
        """Values of one metric from row `first_row` on; cells may be ABSENT or UNUSABLE."""
        return self.cells[first_row * _WIDTH + 1 + metric :: _WIDTH]

    def value(self, metric: Metric, row: int) -> float:
        """One cell."""
        return self.cells[row * _WIDTH + 1 + metric]


class GrowingHistory:
    """A window of scrapes kept in memory: rows are added at the end and forgotten from the front."""

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells = array("d")

    def append(self, at: float, values: Sequence[float]) -> None:
        """Add a row of one cell per metric; one that is not newer than the last is ignored."""
        if self._cells and at <= self._cells[-_WIDTH]:
            return
        self._cells.append(at)
        self._cells.extend(values)

    def forget_before(self, cutoff: float) -> None:
        """Drop old rows, but keep the last one at or before the cutoff: it is what the window starts from."""
        keep = 0
        rows = len(self._cells) // _WIDTH
        while keep + 1 < rows and self._cells[(keep + 1) * _WIDTH] <= cutoff:
            keep += 1
        if keep:
            del self._cells[: keep * _WIDTH]

    @property
    def newest_at(self) -> float:
        """Time of the newest row; minus infinity when there is none."""
        return self._cells[-_WIDTH] if self._cells else -math.inf

    def frozen(self) -> History:
        """A copy that later scrapes do not change."""
        return History(self._cells[:])
