"""The columns of Deployments, ReplicaSets, StatefulSets and HorizontalPodAutoscalers."""

from datetime import datetime

from devcluster.apiserver.objects.json_types import JsonObject, dig
from devcluster.apiserver.objects.quantities import canonical
from devcluster.apiserver.objects.resource_types import Column
from devcluster.apiserver.objects.selectors import selector_text
from devcluster.apiserver.objects.timestamps import age

_SHOWN_TARGETS = 2
_UNKNOWN = "<unknown>"

NAME = Column("Name", lambda item, _: item["metadata"]["name"], format="name")
AGE = Column("Age", lambda item, now: age(item["metadata"].get("creationTimestamp"), now))


def _of_template(item: JsonObject, field: str) -> str:
    containers = dig(item, "spec", "template", "spec", "containers") or []
    return ",".join(str(container.get(field, "")) for container in containers)


def _count(item: JsonObject, *path: str) -> int:
    return int(dig(item, *path) or 0)


def _targets(autoscaler: JsonObject, now: datetime) -> str:
    """Each metric as current/target, the way the seed's guide shows it: `1334m/1 (avg)`."""
    del now
    metrics = dig(autoscaler, "spec", "metrics") or []
    current = dig(autoscaler, "status", "currentMetrics") or []
    texts = [
        _target(metric, current[index] if index < len(current) else {})
        for index, metric in enumerate(metrics)
    ]
    if not texts:
        return "<none>"
    shown = ", ".join(texts[:_SHOWN_TARGETS])
    more = len(texts) - _SHOWN_TARGETS
    return f"{shown} + {more} more..." if more > 0 else shown


def _target(metric: JsonObject, current: JsonObject) -> str:
    kind = str(metric.get("type", ""))
    field = kind[:1].lower() + kind[1:]
    source = metric.get(field) or {}
    target = source.get("target") or {}
    now_values = dig(current, field, "current") or {}
    if kind in {"Resource", "ContainerResource"}:
        name = f"{source.get('name')}: "
        if "averageUtilization" in target:
            used = now_values.get("averageUtilization")
            shown = _UNKNOWN if used is None else f"{used}%"
            return f"{name}{shown}/{target['averageUtilization']}%"
        return f"{name}{_amount(now_values.get('averageValue'))}/{_amount(target.get('averageValue'))}"
    if kind == "Pods":
        return f"{_amount(now_values.get('averageValue'))}/{_amount(target.get('averageValue'))}"
    if "averageValue" in target:
        return f"{_amount(now_values.get('averageValue'))}/{_amount(target['averageValue'])} (avg)"
    return f"{_amount(now_values.get('value'))}/{_amount(target.get('value'))}"


def _amount(value: object) -> str:
    return _UNKNOWN if value is None else canonical(value)


def _reference(autoscaler: JsonObject, now: datetime) -> str:
    del now
    target = dig(autoscaler, "spec", "scaleTargetRef") or {}
    return f"{target.get('kind')}/{target.get('name')}"


TEMPLATE_COLUMNS = (
    Column("Containers", lambda item, _: _of_template(item, "name"), priority=1),
    Column("Images", lambda item, _: _of_template(item, "image"), priority=1),
)
SELECTOR = Column("Selector", lambda item, _: selector_text(dig(item, "spec", "selector")), priority=1)

DEPLOYMENT_COLUMNS = (
    NAME,
    Column(
        "Ready",
        lambda item, _: f"{_count(item, 'status', 'readyReplicas')}/{_count(item, 'spec', 'replicas')}",
    ),
    Column("Up-to-date", lambda item, _: _count(item, "status", "updatedReplicas"), type="integer"),
    Column("Available", lambda item, _: _count(item, "status", "availableReplicas"), type="integer"),
    AGE,
    *TEMPLATE_COLUMNS,
    SELECTOR,
)
REPLICA_SET_COLUMNS = (
    NAME,
    Column("Desired", lambda item, _: _count(item, "spec", "replicas"), type="integer"),
    Column("Current", lambda item, _: _count(item, "status", "replicas"), type="integer"),
    Column("Ready", lambda item, _: _count(item, "status", "readyReplicas"), type="integer"),
    AGE,
    *TEMPLATE_COLUMNS,
    SELECTOR,
)
STATEFUL_SET_COLUMNS = (NAME, DEPLOYMENT_COLUMNS[1], AGE, *TEMPLATE_COLUMNS)
AUTOSCALER_COLUMNS = (
    NAME,
    Column("Reference", _reference),
    Column("Targets", _targets),
    Column("MinPods", lambda item, _: str(dig(item, "spec", "minReplicas") or "<unset>")),
    Column("MaxPods", lambda item, _: _count(item, "spec", "maxReplicas"), type="integer"),
    Column("Replicas", lambda item, _: _count(item, "status", "currentReplicas"), type="integer"),
    AGE,
)
