"""GLOBAL_OPT_INTERVAL in Go's notation."""

import pytest

from inferno_actuator.durations import parse_duration_seconds, parse_interval_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("1m30s", 90), ("500ms", 0.5), ("2h", 7_200), ("1.5m", 90), (" 5s ", 5)],
)
def test_durations_are_read_as_go_reads_them(text: str, seconds: float) -> None:
    assert parse_duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "60", "-5s", "5 s", "s", "1d", "NaN", "5s5"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 60s"):
        parse_duration_seconds(text)


@pytest.mark.parametrize("text", ["0s", "999ms", "25h"])
def test_an_interval_has_bounds(text: str) -> None:
    with pytest.raises(ValueError, match="outside 1s to 24h"):
        parse_interval_seconds(text)
