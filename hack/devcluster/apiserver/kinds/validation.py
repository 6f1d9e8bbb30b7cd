"""The checks of built-in kinds: light, but each mistake people make in a manifest gets its own answer.

Every function answers with the refused fields of a document (and its previous version, None on creation).
"""

from collections.abc import Iterator, Sequence

from devcluster.apiserver.objects.json_types import JsonObject, JsonValue, dig
from devcluster.apiserver.objects.quantities import parse
from devcluster.apiserver.objects.selectors import requirements_of
from devcluster.apiserver.objects.status import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid,
    required,
    unsupported,
)

_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_METRIC_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
_TARGET_TYPES = ("AverageValue", "Utilization", "Value")
_POLICY_TYPES = ("Percent", "Pods")
_MUTABLE_POD_FIELDS = frozenset(
    {"activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "containers", "initContainers"}
)
_POD_RULE = (
    "pod updates may not change fields other than `spec.containers[*].image`, "
    "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations`, "
    "`spec.terminationGracePeriodSeconds`"
)
_NOT_NEGATIVE = "must be greater than or equal to 0"
_LARGEST_PORT = 65535


def check_pod(pod: JsonObject, old: JsonObject | None) -> Sequence[FieldError]:
    """A pod needs containers with name and image, and its spec hardly ever changes."""
    if old is not None:
        same = _fixed_part(old["spec"]) == _fixed_part(pod.get("spec") or {})
        return [] if same else [forbidden_field("spec", _POD_RULE)]
    return list(_check_pod_spec(pod["spec"], "spec"))


def check_workload(workload: JsonObject, old: JsonObject | None) -> Sequence[FieldError]:
    """A Deployment, ReplicaSet or StatefulSet: a selector that selects its own, sound template."""
    return list(_check_workload(workload["spec"], old))


def check_service(service: JsonObject, old: JsonObject | None) -> Sequence[FieldError]:
    """A Service needs ports in range, and an ExternalName needs a name."""
    return list(_check_service(service["spec"], old))


def check_horizontal_pod_autoscaler(autoscaler: JsonObject, old: JsonObject | None) -> Sequence[FieldError]:
    """An autoscaler needs a target, sound bounds, and metrics whose target type and value agree."""
    del old
    return list(_check_autoscaler(autoscaler["spec"]))


def check_config_map(config_map: JsonObject, old: JsonObject | None) -> Sequence[FieldError]:
    """The data of a ConfigMap are strings, and an immutable one stays as it is."""
    errors = [
        invalid(f"data[{key}]", value, "must be a string")
        for key, value in (config_map.get("data") or {}).items()
        if not isinstance(value, str)
    ]
    if old is not None and old.get("immutable") and config_map.get("data") != old.get("data"):
        errors.append(forbidden_field("data", "field is immutable when `immutable` is set"))
    return errors


def check_event(event: JsonObject, old: JsonObject | None) -> Sequence[FieldError]:
    """An Event is about an object in the Event's own namespace."""
    del old
    about = (event.get("involvedObject") or {}).get("namespace") or "default"
    if about != event["metadata"].get("namespace"):
        return [invalid("involvedObject.namespace", about, "does not match event.namespace")]
    return []


def check_node(node: JsonObject, old: JsonObject | None) -> Sequence[FieldError]:
    """The amounts that a node offers are quantities."""
    del old
    return list(_check_amounts(dig(node, "status", "capacity"), "status.capacity"))


def check_lease(lease: JsonObject, old: JsonObject | None) -> Sequence[FieldError]:
    """A lease lasts longer than nothing."""
    del old
    duration_seconds = dig(lease, "spec", "leaseDurationSeconds")
    if duration_seconds is not None and not _is_integer(duration_seconds, at_least=1):
        return [invalid("spec.leaseDurationSeconds", duration_seconds, "must be greater than 0")]
    return []


def _check_workload(spec: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    if not _is_integer(spec["replicas"], at_least=0):
        yield invalid("spec.replicas", spec["replicas"], _NOT_NEGATIVE)
    selector = spec.get("selector")
    labels = dig(spec, "template", "metadata", "labels") or {}
    if not selector:
        yield required("spec.selector")
    elif not all(requirement.accepts(labels) for requirement in requirements_of(selector)):
        yield invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    if old is not None and selector != old["spec"].get("selector"):
        yield invalid("spec.selector", selector, "field is immutable")
    yield from _check_pod_spec(spec["template"]["spec"], "spec.template.spec")


def _check_pod_spec(spec: JsonObject, path: str) -> Iterator[FieldError]:
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    names: set[str] = set()
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or ()):
            yield from _check_container(container, f"{path}.{field}[{index}]", names)


def _check_container(container: JsonObject, path: str, names: set[str]) -> Iterator[FieldError]:
    name = container.get("name")
    if not name:
        yield required(f"{path}.name")
    elif name in names:
        yield duplicate(f"{path}.name", name)
    names.add(name or "")
    if not container.get("image"):
        yield required(f"{path}.image")
    for index, port in enumerate(container.get("ports") or ()):
        yield from _check_port(port.get("containerPort"), f"{path}.ports[{index}].containerPort")
    resources = container.get("resources") or {}
    for field in ("limits", "requests"):
        yield from _check_amounts(resources.get(field), f"{path}.resources.{field}")
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for resource, amount in requests.items():
        asked, limit = parse(amount), parse(limits.get(resource))
        if asked is not None and limit is not None and asked > limit:
            message = f"must be less than or equal to {resource} limit of {limits[resource]}"
            yield invalid(f"{path}.resources.requests", amount, message)


def _check_amounts(amounts: JsonValue, path: str) -> Iterator[FieldError]:
    if not isinstance(amounts, dict):
        return
    for name, amount in amounts.items():
        value = parse(amount)
        if value is None:
            rule = (
                r"quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            )
            yield invalid(f"{path}.{name}", amount, rule)
        elif value < 0:
            yield invalid(f"{path}.{name}", amount, _NOT_NEGATIVE)


def _check_service(spec: JsonObject, old: JsonObject | None) -> Iterator[FieldError]:
    if spec["type"] not in _SERVICE_TYPES:
        yield unsupported("spec.type", spec["type"], _SERVICE_TYPES)
    if spec["type"] == "ExternalName" and not spec.get("externalName"):
        yield required("spec.externalName")
    if spec["type"] != "ExternalName" and not spec.get("ports") and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    if old is not None and old["spec"].get("clusterIP") and spec["type"] != "ExternalName":
        addresses = old["spec"]["clusterIP"], spec.get("clusterIP")
        if addresses[1] and addresses[0] != addresses[1] and old["spec"]["type"] != "ExternalName":
            yield invalid("spec.clusterIPs[0]", addresses[1], "may not change once set")
    ports = spec.get("ports") or ()
    for index, port in enumerate(ports):
        yield from _check_port(port.get("port"), f"spec.ports[{index}].port")
        if len(ports) > 1 and not port.get("name"):
            yield required(f"spec.ports[{index}].name")


def _check_port(port: JsonValue, path: str) -> Iterator[FieldError]:
    if port is None:
        yield required(path)
    elif not _is_integer(port, at_least=1) or int(str(port)) > _LARGEST_PORT:
        yield invalid(path, port, "must be between 1 and 65535, inclusive")


def _check_autoscaler(spec: JsonObject) -> Iterator[FieldError]:
    target = spec.get("scaleTargetRef") or {}
    for field in ("kind", "name"):
        if not target.get(field):
            yield required(f"spec.scaleTargetRef.{field}")
    least, most = spec["minReplicas"], spec.get("maxReplicas")
    if not _is_integer(least, at_least=1):
        yield invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if not _is_integer(most, at_least=1):
        yield invalid("spec.maxReplicas", most or 0, "must be greater than 0")
    elif _is_integer(least, at_least=1) and most < least:
        yield invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    for index, metric in enumerate(spec["metrics"]):
        yield from _check_metric(metric, f"spec.metrics[{index}]")
    for direction, rules in (spec.get("behavior") or {}).items():
        for index, policy in enumerate(rules.get("policies") or ()):
            yield from _check_policy(policy, f"spec.behavior.{direction}.policies[{index}]")


def _check_metric(metric: JsonObject, path: str) -> Iterator[FieldError]:
    kind = metric.get("type")
    if kind not in _METRIC_TYPES:
        yield unsupported(f"{path}.type", kind, _METRIC_TYPES)
        return
    field = kind[0].lower() + kind[1:]
    source = metric.get(field)
    if not source:
        yield required(f"{path}.{field}", "must populate information for the given metric source")
        return
    if kind == "External" and not dig(source, "metric", "name"):
        yield required(f"{path}.{field}.metric.name", "must specify a metric name")
    target = source.get("target") or {}
    if target.get("type") not in _TARGET_TYPES:
        yield unsupported(f"{path}.{field}.target.type", target.get("type"), _TARGET_TYPES)
        return
    value_field = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}
    value = target.get(value_field[target["type"]])
    if value is None:
        yield required(f"{path}.{field}.target.{value_field[target['type']]}", "must be set for its type")
        return
    amount = parse(value)
    if amount is None or amount <= 0:
        yield invalid(f"{path}.{field}.target.{value_field[target['type']]}", value, "must be positive")


def _check_policy(policy: JsonObject, path: str) -> Iterator[FieldError]:
    if policy.get("type") not in _POLICY_TYPES:
        yield unsupported(f"{path}.type", policy.get("type"), _POLICY_TYPES)
    for field in ("value", "periodSeconds"):
        if not _is_integer(policy.get(field), at_least=1):
            yield invalid(f"{path}.{field}", policy.get(field) or 0, "must be greater than zero")


def _fixed_part(spec: JsonObject) -> JsonObject:
    fixed = {key: value for key, value in spec.items() if key not in _MUTABLE_POD_FIELDS}
    for field in ("containers", "initContainers"):
        fixed[field] = [
            {key: value for key, value in container.items() if key != "image"}
            for container in spec.get(field) or ()
        ]
    return fixed


def _is_integer(value: JsonValue, *, at_least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least
