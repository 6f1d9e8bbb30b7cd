"""Every series that `/metrics` has of one variant: what it wants, carries, promises and costs, and why.

Pure. Numbers have the labels of the seed's guide; what is a word (model, class, reason) is a label of a
series whose value is 1 or 0, so that a query can join it to the numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from inferno_actuator import metric_names as names
from inferno_actuator.decisions import Decision
from inferno_actuator.known import Key
from inferno_actuator.metric_names import MetricName
from inferno_actuator.modes import Mode
from inferno_actuator.verdicts import verdicts
from inferno_shared.contracts import SloTarget, Variant

_MS_PER_SECOND: Final = 1_000.0
_SECONDS_PER_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric; `planned_at` is the monotonic time of the plan that it comes from."""

    labels: Mapping[str, str]
    value: float
    planned_at: float | None = None


def series_of(
    decision: Decision, target: SloTarget | None, *, planned_at: float | None
) -> Iterator[tuple[MetricName, Sample]]:
    """Every series of one decision.

    Args:
        decision: in force.
        target: the latencies promised to it; None when nothing is.
        planned_at: monotonic time of the last plan: how old the words are. The numbers are as old as the plan
            behind the decision.
    """
    for metric, value, accelerator in (*_measured(decision), *_decided(decision, target)):
        if value is not None and accelerator is not None:
            labels = {**_variant(decision.key), names.ACCELERATOR: accelerator}
            yield metric, Sample(labels, value, decision.planned_at)
    for metric, words, value in _told(decision):
        yield metric, Sample({**_variant(decision.key), **words}, value, planned_at)


def _variant(key: Key) -> Mapping[str, str]:
    namespace, name = key
    return {names.VARIANT: name, names.NAMESPACE: namespace}


_Value = tuple[MetricName, float | None, str | None]


def _measured(decision: Decision) -> Iterator[_Value]:
    """(metric, value, accelerator) of what the snapshot says; None for what is not known."""
    variant = decision.variant
    if variant is None:
        return
    running = variant.current.accelerator
    yield names.CURRENT, variant.current.replicas, running
    yield names.READY, variant.current.ready_replicas, running
    yield names.OBSERVED_ITL, _seconds(variant.observed.itl_ms), running
    yield names.OBSERVED_TTFT, _seconds(variant.observed.ttft_ms), running
    yield names.ARRIVALS, _per_second(variant.load.arrival_rate_rpm), running
    yield names.RUNNING, variant.load.running, running
    yield names.WAITING, variant.load.waiting, running


def _decided(decision: Decision, target: SloTarget | None) -> Iterator[_Value]:
    """(metric, value, accelerator) of what was decided and promised."""
    variant, desired, allocation = decision.variant, decision.desired, decision.allocation
    if desired is None:
        return
    accelerator = desired.accelerator
    if decision.known.mode is not Mode.OFF:
        yield names.DESIRED, desired.replicas, accelerator
    yield names.PLANNED, decision.planned_replicas, accelerator
    if variant is not None:
        yield names.MAXIMUM, variant.max_replicas, accelerator
    if variant is not None and decision.known.mode is not Mode.OFF:
        yield names.RATIO, desired.replicas / (variant.current.replicas or 1), accelerator
    if target is not None:
        yield names.TARGET_ITL, _seconds(target.itl_ms), accelerator
        yield names.TARGET_TTFT, _seconds(target.ttft_ms), accelerator
    if allocation is not None:
        yield names.PREDICTED_ITL, _seconds(allocation.predicted.itl_ms), accelerator
        yield names.PREDICTED_TTFT, _seconds(allocation.predicted.ttft_ms), accelerator
        yield names.VARIANT_COST, allocation.cost_per_hour, accelerator


def _told(decision: Decision) -> Iterator[tuple[MetricName, Mapping[str, str], float]]:
    """(metric, labels, value) of what is a word."""
    if decision.variant is not None:
        yield names.VARIANT_INFO, _identity(decision.variant), 1.0
    yield names.DECISION, {names.REASON: str(decision.reason)}, 1.0
    for verdict in verdicts(decision):
        if not verdict.quiet:
            words = {names.TYPE: str(verdict.type), names.REASON: str(verdict.reason)}
            yield names.CONDITION, words, float(verdict.met)


def _identity(variant: Variant) -> Mapping[str, str]:
    return {names.MODEL: variant.model, names.SERVICE_CLASS: variant.service_class}


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / _MS_PER_SECOND


def _per_second(per_minute: float | None) -> float | None:
    return None if per_minute is None else per_minute / _SECONDS_PER_MINUTE
