"""Checks of what is installed once per cluster. Pure: what was read comes in, findings go out."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from inferno_actuator.doctor.findings import Finding, failure, ok, warning
from inferno_actuator.durations import parse_interval_seconds, parse_window_seconds
from inferno_actuator.rails import parse_share, parse_step

CRD: Final = "variantautoscalings.llmd.ai"
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


def check_service(name: str, problem: str | None, url: str) -> Iterator[Finding]:
    """Whether collector or optimizer answer."""
    if problem is None:
        yield ok(name, f"{url} answers")
    else:
        yield failure(name, problem, f"kubectl logs -l app.kubernetes.io/component={name} --all-namespaces")
