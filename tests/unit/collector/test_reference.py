"""docs/operations.md explains every problem that the collector reports, and is current."""

from pathlib import Path

from inferno_collector.gauges import METRICS
from inferno_collector.reasons import Reason
from inferno_collector.reference import MEANINGS, TABLES
from inferno_shared.reference import filled

OPERATIONS = Path(__file__).parents[3] / "docs/operations.md"


def test_every_reason_is_explained() -> None:
    assert set(MEANINGS) == set(Reason)


def test_the_document_is_current() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    assert all(f"<!-- {name} -->" in text for name in TABLES)
    assert text == filled(text, TABLES), "run: python -m inferno_collector.reference docs/operations.md"


def test_metrics_follow_prometheus_conventions() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    assert all(name.startswith("inferno_collector_") for name in names)
