"""Whether Prometheus scrapes the actuator's metrics Service, and just once. Pure.

Two monitors of one Service (the chart's own and the guide's, say) make each series twice, as soon as they
belong to two instances of Prometheus or relabel differently; an HPA sums what it finds. The collector
needs no such check: of an endpoint that is scraped twice it counts one.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from inferno_actuator.doctor.findings import Finding, failure, ok, warning

METRICS_SERVICE: Final = "inferno-autoscaler-controller-manager-metrics-service"
_SUBJECT: Final = "ServiceMonitor"

Raw = Mapping[str, Any]


def check_monitors(
    monitors: Sequence[Raw] | None, service: Raw | None, pod_monitors: Sequence[Raw] = ()
) -> Finding:
    """Whether one monitor selects the actuator's metrics Service, and a port that it has.

    Args:
        monitors: every ServiceMonitor; None without a Prometheus operator.
        service: the metrics Service; None when there is none.
        pod_monitors: every PodMonitor.
    """
    if monitors is None:
        return warning(_SUBJECT, "no Prometheus operator here", "scrape :8443/metrics by other means")
    if service is None:
        return warning(_SUBJECT, f"no Service {METRICS_SERVICE}", "make deploy IMG=...")
    metadata, spec = service["metadata"], service.get("spec") or {}
    # Of the pods we know at least the labels by which the Service finds them.
    pods = {"namespace": metadata.get("namespace"), "labels": spec.get("selector")}
    by_pod = [monitor for monitor in pod_monitors if _selects(monitor, pods)]
    selecting = [monitor for monitor in monitors if _selects(monitor, metadata)]
    if not selecting and not by_pod:
        fix = "kubectl apply -f config/samples/inferno-servicemon-ocp.yaml"
        return failure(_SUBJECT, f"none selects Service {METRICS_SERVICE}: the HPA sees no metric", fix)
    ports = {str(port.get("name")) for port in spec.get("ports") or ()}
    usable = [monitor for monitor in selecting if ports & _ports(monitor)]
    if not usable and not by_pod:
        wanted = ", ".join(sorted(_ports(selecting[0]))) or "none"
        has = f"Service {METRICS_SERVICE} has {', '.join(sorted(ports))}"
        words = f"{_name(selecting[0])} wants port {wanted}, {has}"
        return failure(_SUBJECT, words, f"kubectl edit {_addressed('servicemonitor', selecting[0])}")
    found = sorted(
        [(_name(it), _addressed("servicemonitor", it)) for it in usable]
        + [(_name(it), _addressed("podmonitor", it)) for it in by_pod]
    )
    names = ", ".join(name for name, _ in found)
    if len(found) > 1:
        sums = f"its series may be there {len(found)} times, and an HPA sums them"
        words = f"{names} select Service {METRICS_SERVICE}: {sums}"
        return warning(_SUBJECT, words, f"kubectl delete {found[-1][1]}, or another of them")
    return ok(_SUBJECT, f"{names} selects Service {METRICS_SERVICE}")


def _name(monitor: Raw) -> str:
    metadata = monitor.get("metadata") or {}
    return f"{metadata.get('namespace')}/{metadata.get('name')}"


def _addressed(kind: str, monitor: Raw) -> str:
    metadata = monitor.get("metadata") or {}
    return f"{kind} {metadata.get('name')} -n {metadata.get('namespace')}"


def _selects(monitor: Raw, metadata: Raw) -> bool:
    """Whether its labels and its namespaces are those of the object; an empty selector is too much."""
    spec = monitor.get("spec") or {}
    selector = spec.get("selector") or {}
    labels = metadata.get("labels") or {}
    wanted = [
        *((key, "In", (value,)) for key, value in (selector.get("matchLabels") or {}).items()),
        *(
            (it.get("key"), it.get("operator"), it.get("values") or ())
            for it in selector.get("matchExpressions") or ()
        ),
    ]
    if not wanted or not all(_holds(labels.get(key), operator, values) for key, operator, values in wanted):
        return False
    where = spec.get("namespaceSelector") or {}
    named = where.get("matchNames") or [(monitor.get("metadata") or {}).get("namespace")]
    return bool(where.get("any")) or metadata.get("namespace") in named


def _holds(value: str | None, operator: str, values: Sequence[str]) -> bool:
    match operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


def _ports(monitor: Raw) -> set[str]:
    endpoints = (monitor.get("spec") or {}).get("endpoints") or ()
    return {str(endpoint.get("port")) for endpoint in endpoints if endpoint.get("port")}
