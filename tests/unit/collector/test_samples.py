import math

from inferno_collector.samples import GrowingHistory, Metric

ROW = tuple(float(metric) for metric in Metric)


def test_the_row_that_the_window_starts_from_is_kept() -> None:
    growing = GrowingHistory()
    for time in (0, 5, 10, 15):
        growing.append(time, ROW)
    growing.forget_before(12)
    assert list(growing.frozen().times) == [10, 15]


def test_a_clock_that_was_set_back_adds_nothing() -> None:
    growing = GrowingHistory()
    growing.append(10, ROW)
    growing.append(9, ROW)
    growing.append(10, ROW)
    assert list(growing.frozen().times) == [10]


def test_a_frozen_history_does_not_change() -> None:
    growing = GrowingHistory()
    growing.append(0, ROW)
    frozen = growing.frozen()
    growing.append(5, ROW)
    assert len(frozen) == 1
    assert frozen.value(Metric.WAITING, -1) == Metric.WAITING


def test_an_empty_history_is_infinitely_old() -> None:
    assert GrowingHistory().newest_at == -math.inf
