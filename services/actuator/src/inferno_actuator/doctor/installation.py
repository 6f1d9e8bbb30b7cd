"""Checks of what is installed once per cluster. Pure: what was read comes in, findings go out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from inferno_actuator.doctor.findings import Finding, failure, ok, warning
from inferno_actuator.durations import parse_interval_seconds, parse_window_seconds
from inferno_actuator.rails import parse_share, parse_step

CRD: Final = "variantautoscalings.llmd.ai"
METRICS_SERVICE: Final = "inferno-autoscaler-controller-manager-metrics-service"
_APPLY_CRD: Final = "kubectl apply -f config/crd/llmd.ai_variantautoscalings.yaml"
_PARSERS: Final = {
    "GLOBAL_OPT_INTERVAL": parse_interval_seconds,
    "MAX_SCALE_UP": parse_step,
    "MAX_SCALE_DOWN": parse_step,
    "SCALE_DOWN_STABILIZATION": parse_window_seconds,
    "SCALE_DOWN_MARGIN": parse_share,
}


def check_definition(definition: Mapping[str, Any] | None) -> Finding:
    """Whether the CustomResourceDefinition is there and knows the fields that we write."""
    subject = f"CRD {CRD}"
    if definition is None:
        return failure(subject, "not installed", _APPLY_CRD)
    versions = {v.get("name"): v for v in (definition.get("spec") or {}).get("versions") or ()}
    served = versions.get("v1alpha1")
    if served is None or not served.get("served"):
        return failure(
            subject, f"serves {', '.join(map(str, versions)) or 'nothing'}, not v1alpha1", _APPLY_CRD
        )
    if "fencingToken" not in str(served.get("schema")):
        return warning(
            subject, "is older than this actuator: it drops status.actuation.fencingToken", _APPLY_CRD
        )
    return ok(subject, "serves v1alpha1 with every field")


def check_config_map(name: str, namespace: str, data: Mapping[str, str] | None) -> list[Finding]:
    """Whether one of the three ConfigMaps is there, and whether our keys in it can be used."""
    subject = f"ConfigMap {namespace}/{name}"
    if data is None:
        return [failure(subject, "missing", "kubectl apply -f config/manager -f config/samples")]
    findings = []
    for key, parse in _PARSERS.items():
        if key not in data:
            continue
        try:
            parse(data[key])
        except ValueError as error:
            fix = f"kubectl edit configmap {name} -n {namespace}"
            findings.append(failure(subject, f"{key}: {error}", fix))
    return findings or [ok(subject, f"{len(data)} keys")]


def check_monitors(
    monitors: Sequence[Mapping[str, Any]] | None, service: Mapping[str, Any] | None
) -> Finding:
    """Whether a ServiceMonitor selects the actuator's metrics Service, and a port that it has.

    Args:
        monitors: every ServiceMonitor; None without a Prometheus operator.
        service: the metrics Service; None when there is none.
    """
    subject = "ServiceMonitor"
    if monitors is None:
        return warning(subject, "no Prometheus operator here", "scrape :8443/metrics by other means")
    if service is None:
        return warning(subject, f"no Service {METRICS_SERVICE}", "make deploy IMG=...")
    selecting = [monitor for monitor in monitors if _selects(monitor, service["metadata"])]
    if not selecting:
        fix = "kubectl apply -f config/samples/inferno-servicemon-ocp.yaml"
        return failure(subject, f"none selects Service {METRICS_SERVICE}: the HPA sees no metric", fix)
    ports = {str(port.get("name")) for port in (service.get("spec") or {}).get("ports") or ()}
    usable = [monitor for monitor in selecting if ports & _ports(monitor)]
    if not usable:
        namespace, name = (selecting[0]["metadata"].get(key) for key in ("namespace", "name"))
        wanted = ", ".join(sorted(_ports(selecting[0]))) or "none"
        words = f"{name} wants port {wanted}, Service {METRICS_SERVICE} has {', '.join(sorted(ports))}"
        return failure(subject, words, f"kubectl edit servicemonitor {name} -n {namespace}")
    names = ", ".join(sorted(str(monitor["metadata"].get("name")) for monitor in usable))
    return ok(subject, f"{names} selects Service {METRICS_SERVICE}")


def _selects(monitor: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """Whether its labels and its namespaces are those of the Service; an empty selector is too much."""
    spec = monitor.get("spec") or {}
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    labels = metadata.get("labels") or {}
    if not wanted or any(labels.get(name) != value for name, value in wanted.items()):
        return False
    where = spec.get("namespaceSelector") or {}
    named = where.get("matchNames") or [(monitor.get("metadata") or {}).get("namespace")]
    return bool(where.get("any")) or metadata.get("namespace") in named


def _ports(monitor: Mapping[str, Any]) -> set[str]:
    endpoints = (monitor.get("spec") or {}).get("endpoints") or ()
    return {str(endpoint.get("port")) for endpoint in endpoints if endpoint.get("port")}


def check_service(name: str, problem: str | None, url: str) -> Iterator[Finding]:
    """Whether collector or optimizer answer."""
    if problem is None:
        yield ok(name, f"{url} answers")
    else:
        yield failure(name, problem, f"kubectl logs -l app.kubernetes.io/component={name} --all-namespaces")
