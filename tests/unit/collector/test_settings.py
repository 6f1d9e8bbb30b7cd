import pytest
from pydantic import ValidationError

from inferno_collector.settings import CollectorSettings


def test_staleness_is_three_scrapes_with_a_floor_per_source() -> None:
    assert CollectorSettings().demand_policy().stale_after_seconds == 45
    assert CollectorSettings(load_source="scrape").demand_policy().stale_after_seconds == 15
    slow = CollectorSettings(load_source="scrape", scrape_interval_seconds=20)
    assert slow.demand_policy().stale_after_seconds == 60
    assert CollectorSettings(load_stale_seconds=5).demand_policy().stale_after_seconds == 5


def test_a_short_window_asks_for_less_history() -> None:
    assert CollectorSettings(load_window_seconds=12).demand_policy().minimum_span_seconds == 6


def test_a_window_without_room_for_two_scrapes_is_refused() -> None:
    with pytest.raises(ValidationError, match="INFERNO_LOAD_WINDOW_SECONDS=8 must be at least twice"):
        CollectorSettings(load_source="scrape", load_window_seconds=8)
