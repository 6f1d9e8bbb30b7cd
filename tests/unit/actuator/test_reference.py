"""docs/operations.md explains every name that the actuator uses, and is current."""

from pathlib import Path

from inferno_actuator.conditions import ConditionReason
from inferno_actuator.reference import CONDITIONS, TABLES, metrics
from inferno_actuator.ruling import Rail
from inferno_shared.reference import filled

OPERATIONS = Path(__file__).parents[3] / "docs/operations.md"


def test_every_reason_of_every_condition_is_explained() -> None:
    explained = {str(reason) for reasons in CONDITIONS.values() for reason in reasons}
    assert explained == {str(reason) for reason in (*ConditionReason, *Rail)}


def test_the_document_is_current() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    assert text == filled(text, TABLES), "run: python -m inferno_actuator.reference docs/operations.md"
    assert all(f"<!-- {name} -->" in text for name in TABLES)


def test_metrics_follow_prometheus_conventions() -> None:
    names = [metric.name for metric in metrics()]
    assert len(names) == len(set(names))
    assert all(name.startswith("inferno_") for name in names)
