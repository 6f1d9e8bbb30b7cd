"""The environment of a container: values, fields of the pod, keys of Secrets and ConfigMaps.

A missing key stops a pod on a real cluster. Here it only warns, naming the keys that do exist, because the
emulator needs none of them and the cause is usually a slip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devcluster.kubelet.pods import ScheduledPod
from devcluster.kubelet.servers import expand
from inferno_shared.kubernetes import JsonObject

KINDS = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}


@dataclass(frozen=True, slots=True)
class KeyReference:
    """A variable that wants one key of a Secret or ConfigMap."""

    variable: str
    kind: str
    name: str
    key: str
    optional: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """What could be resolved, and a sentence for each thing that could not."""

    variables: Mapping[str, str]
    problems: tuple[str, ...]


def key_references(env: Sequence[JsonObject]) -> list[KeyReference]:
    """The keys of Secrets and ConfigMaps that a container wants."""
    found = []
    for entry in env:
        source = entry.get("valueFrom") or {}
        for field, kind in KINDS.items():
            if field in source:
                wanted = source[field]
                found.append(
                    KeyReference(
                        variable=entry["name"],
                        kind=kind,
                        name=wanted.get("name") or "",
                        key=wanted.get("key") or "",
                        optional=bool(wanted.get("optional")),
                    )
                )
    return found


def resolve(
    pod: ScheduledPod,
    env: Sequence[JsonObject],
    stores: Mapping[tuple[str, str], Mapping[str, str] | None],
    pod_ip: str,
) -> Environment:
    """Resolve the variables in order; later ones may use `$(EARLIER)`.

    `stores` holds the texts of each (kind, name), None when the object does not exist.
    """
    variables: dict[str, str] = {}
    problems: list[str] = []
    references = {one.variable: one for one in key_references(env)}
    for entry in env:
        name = entry["name"]
        if entry.get("value") is not None:
            variables[name] = expand(str(entry["value"]), variables)
        elif name in references:
            reference = references[name]
            texts = stores.get((reference.kind, reference.name))
            if texts is not None and reference.key in texts:
                variables[name] = texts[reference.key]
            elif not reference.optional:
                problems.append(_slip(pod, reference, texts))
        else:
            path = ((entry.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath")
            if path:
                variables[name] = _field(pod, path, pod_ip)
    return Environment(variables, tuple(problems))


def _slip(pod: ScheduledPod, reference: KeyReference, texts: Mapping[str, str] | None) -> str:
    namespace = pod.pod.metadata.namespace
    where = f"{reference.kind} {namespace}/{reference.name}"
    ignored = "ignored here, but a real cluster stops the pod with CreateContainerConfigError"
    create = "secret generic" if reference.kind == "Secret" else "configmap"
    remedy = f"kubectl create {create} -n {namespace} {reference.name} --from-literal={reference.key}=..."
    if texts is None:
        found = f"{where} does not exist"
    else:
        found = f"{where} has no key {reference.key}, it has: {', '.join(sorted(texts)) or 'none'}"
    return f"environment variable {reference.variable}: {found}; {ignored}. To fix it: {remedy}"


def _field(pod: ScheduledPod, path: str, pod_ip: str) -> str:
    metadata = pod.pod.metadata
    known = {
        "metadata.name": metadata.name,
        "metadata.namespace": metadata.namespace,
        "metadata.uid": metadata.uid,
        "spec.nodeName": pod.pod.node_name or "",
        "status.podIP": pod_ip,
        "status.podIPs": pod_ip,
    }
    if path in known:
        return known[path]
    for field, values in (("labels", metadata.labels), ("annotations", metadata.annotations)):
        prefix = f"metadata.{field}['"
        if path.startswith(prefix) and path.endswith("']"):
            return values.get(path[len(prefix) : -2], "")
    return ""
