"""The defaults of built-in kinds that clients rely on.

Each function completes the document that it is given. Only defaults that a client, a controller or kubectl
reads are set; the rest of Kubernetes' long list would only make objects larger.
"""

from devcluster.apiserver.objects.json_types import JsonObject
from devcluster.apiserver.objects.quantities import canonical

FIELD_DEFAULTS_OF_POD = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "serviceAccountName": "default",
    "serviceAccount": "default",
    "enableServiceLinks": True,
    "preemptionPolicy": "PreemptLowerPriority",
    "priority": 0,
}
_POD_ONLY = ("serviceAccountName", "serviceAccount", "preemptionPolicy", "priority", "enableServiceLinks")


def set_pod_defaults(pod: JsonObject) -> None:
    """A pod as the scheduler finds it: complete containers and phase Pending."""
    spec = pod.setdefault("spec", {})
    _set_pod_spec_defaults(spec, in_template=False)
    status = pod.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", _quality_of_service(spec))


def set_deployment_defaults(deployment: JsonObject) -> None:
    """Replicas 1, a rolling update of 25 % and the limits that `kubectl describe` shows."""
    spec = deployment.setdefault("spec", {})
    _set_workload_defaults(deployment, spec)
    _fill(spec, {"revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(strategy.setdefault("rollingUpdate", {}), {"maxSurge": "25%", "maxUnavailable": "25%"})
    deployment.setdefault("status", {})


def set_replica_set_defaults(replica_set: JsonObject) -> None:
    """Replicas 1 and a complete template."""
    _set_workload_defaults(replica_set, replica_set.setdefault("spec", {}))
    replica_set.setdefault("status", {}).setdefault("replicas", 0)


def set_stateful_set_defaults(stateful_set: JsonObject) -> None:
    """Replicas 1, ordered pods and a rolling update."""
    spec = stateful_set.setdefault("spec", {})
    _set_workload_defaults(stateful_set, spec)
    _fill(spec, {"podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10})
    spec.setdefault("updateStrategy", {}).setdefault("type", "RollingUpdate")
    stateful_set.setdefault("status", {}).setdefault("replicas", 0)


def set_service_defaults(service: JsonObject) -> None:
    """Type ClusterIP and target ports equal to the ports; the address is the server's to choose."""
    spec = service.setdefault("spec", {})
    _fill(spec, {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"})
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if "port" in port:
            port.setdefault("targetPort", port["port"])
    service.setdefault("status", {}).setdefault("loadBalancer", {})


def set_horizontal_pod_autoscaler_defaults(autoscaler: JsonObject) -> None:
    """One replica at least, and CPU at 80 % when no metric is named."""
    spec = autoscaler.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    for metric in spec["metrics"]:
        _canonicalise_target(metric)
    behavior = spec.get("behavior")
    if behavior:
        _set_scaling_rules(behavior, "scaleUp", [("Pods", 4), ("Percent", 100)], 0)
        _set_scaling_rules(behavior, "scaleDown", [("Percent", 100)], None)
    status = autoscaler.setdefault("status", {})
    _fill(status, {"desiredReplicas": 0, "currentMetrics": None})


def set_namespace_defaults(namespace: JsonObject) -> None:
    """Active, with the finalizer and the label that every namespace carries."""
    namespace.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    namespace.setdefault("status", {}).setdefault("phase", "Active")
    metadata = namespace["metadata"]
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
    metadata["labels"] = labels


def set_node_defaults(node: JsonObject) -> None:
    """Empty spec and status; allocatable falls back to capacity, as the kubelet reports it."""
    node.setdefault("spec", {})
    status = node.setdefault("status", {})
    if "capacity" in status:
        status.setdefault("allocatable", dict(status["capacity"]))


def set_secret_defaults(secret: JsonObject) -> None:
    """Type Opaque; `stringData` is encoded into `data`."""
    from base64 import b64encode  # noqa: PLC0415 - used by this one kind only

    secret.setdefault("type", "Opaque")
    plain = secret.pop("stringData", None)
    if plain:
        encoded = {key: b64encode(value.encode()).decode() for key, value in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def _set_workload_defaults(workload: JsonObject, spec: JsonObject) -> None:
    spec.setdefault("replicas", 1)
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {}).pop("creationTimestamp", None)
    _set_pod_spec_defaults(template.setdefault("spec", {}), in_template=True)
    labels = template["metadata"].get("labels")
    if labels and "labels" not in workload["metadata"] and "selector" not in spec:
        workload["metadata"]["labels"] = dict(labels)


def _set_pod_spec_defaults(spec: JsonObject, *, in_template: bool) -> None:
    for name, value in FIELD_DEFAULTS_OF_POD.items():
        if not (in_template and name in _POD_ONLY):
            spec.setdefault(name, value)
    spec.setdefault("securityContext", {})
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            _set_container_defaults(container)


def _set_container_defaults(container: JsonObject) -> None:
    image = container.get("image", "")
    always = image.endswith(":latest") or (":" not in image.rpartition("/")[2] and "@" not in image)
    _fill(
        container,
        {
            "imagePullPolicy": "Always" if always else "IfNotPresent",
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        },
    )
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    resources = container.setdefault("resources", {})
    for name, value in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(name, value)
    for amounts in (resources.get("limits"), resources.get("requests")):
        for name, value in (amounts or {}).items():
            amounts[name] = canonical(value)


def _quality_of_service(spec: JsonObject) -> str:
    """Only cpu and memory count: a pod that wants nothing but GPUs is BestEffort."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    needs = [container.get("resources") or {} for container in containers]
    basic = ("cpu", "memory")
    amounts = [(need.get("requests") or {}, need.get("limits") or {}) for need in needs]
    if not any(name in one for pair in amounts for one in pair for name in basic):
        return "BestEffort"
    guaranteed = all(
        limits.get(name) is not None and requests.get(name) == limits[name]
        for requests, limits in amounts
        for name in basic
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _canonicalise_target(metric: JsonObject) -> None:
    for source in metric.values():
        target = source.get("target") if isinstance(source, dict) else None
        for field in ("averageValue", "value"):
            if isinstance(target, dict) and field in target:
                target[field] = canonical(target[field])


def _set_scaling_rules(
    behavior: JsonObject, direction: str, policies: list[tuple[str, int]], window_seconds: int | None
) -> None:
    rules = behavior.setdefault(direction, {})
    rules.setdefault("selectPolicy", "Max")
    if window_seconds is not None:
        rules.setdefault("stabilizationWindowSeconds", window_seconds)
    if not rules.get("policies"):
        rules["policies"] = [{"type": kind, "value": value, "periodSeconds": 15} for kind, value in policies]


def _fill(target: JsonObject, defaults: JsonObject) -> None:
    for key, value in defaults.items():
        target.setdefault(key, value)
