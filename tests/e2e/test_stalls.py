"""Waiting for a processor is read as the kernel writes it."""

from pathlib import Path

from e2e.stalls import Stopwatch, own_seconds, stalled_seconds


def test_time_of_waiting_is_read_in_seconds(tmp_path: Path) -> None:
    pressure = tmp_path / "cpu"
    pressure.write_text(
        "some avg10=0.22 avg60=0.16 avg300=1.95 total=5220703361\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    )

    assert stalled_seconds(pressure) == 5220.703361
    assert stalled_seconds(tmp_path / "none") == 0


def test_at_most_half_of_a_time_is_taken_off_for_waiting() -> None:
    assert own_seconds(20, 4) == 16
    assert own_seconds(20, 19) == 10


def test_a_stopwatch_counts_no_more_than_the_time_that_passes() -> None:
    assert Stopwatch().seconds() < 1
