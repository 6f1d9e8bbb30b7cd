"""Discovery: which groups, versions and kinds exist, in the aggregated (v2) and in the older form.

kubectl and client libraries read it to turn `va` into a path. Groups served by an APIService are described by
their own server; while that does not answer they are listed as stale and the rest is unharmed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from devcluster.apiserver.objects.json_types import JsonObject
from devcluster.apiserver.objects.resource_types import Registry, ResourceType

AGGREGATED_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

# (group, version) -> the backend's APIResourceList, None while it does not answer
Delegated: TypeAlias = Mapping[tuple[str, str], JsonObject | None]

_READ_WRITE = ("get", "patch", "update")
_SUBRESOURCE_KINDS: Mapping[str, tuple[str, str, str, Sequence[str]]] = {
    "scale": ("autoscaling", "v1", "Scale", _READ_WRITE),
    "log": ("", "v1", "Pod", ("get",)),
    "binding": ("", "v1", "Binding", ("create",)),
    "eviction": ("policy", "v1", "Eviction", ("create",)),
    "token": ("authentication.k8s.io", "v1", "TokenRequest", ("create",)),
    "finalize": ("", "v1", "Namespace", ("update",)),
}


def core_versions() -> JsonObject:
    """The answer at /api."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list(registry: Registry, delegated: Delegated) -> JsonObject:
    """The answer at /apis."""
    groups = [group(registry, delegated, name) for name in _group_versions(registry, delegated) if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, delegated: Delegated, name: str) -> JsonObject | None:
    """The answer at /apis/GROUP; None when there is no such group."""
    versions = _group_versions(registry, delegated).get(name)
    if not versions:
        return None
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": listed,
        "preferredVersion": listed[0],
    }


def resource_list(registry: Registry, group_name: str, version: str) -> JsonObject | None:
    """The answer at /api/v1 and /apis/GROUP/VERSION; None when it is not served here."""
    kinds = _kinds_at(registry, group_name, version)
    if not kinds:
        return None
    resources: list[JsonObject] = []
    for resource in kinds:
        resources.append(_resource(resource))
        resources.extend(_subresource(resource, name) for name in resource.subresources)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": kinds[0].api_version,
        "resources": resources,
    }


def aggregated(registry: Registry, delegated: Delegated, *, core: bool) -> JsonObject:
    """The answer at /api (core) or /apis to a client that prefers all of it in one document."""
    items = []
    for name, versions in _group_versions(registry, delegated).items():
        if (not name) != core:
            continue
        described = [_version(registry, delegated, name, version) for version in versions]
        items.append({"metadata": {"name": name, "creationTimestamp": None}, "versions": described})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _group_versions(registry: Registry, delegated: Delegated) -> dict[str, list[str]]:
    groups = registry.groups()
    for name, version in delegated:
        versions = groups.setdefault(name, [])
        if version not in versions:
            versions.append(version)
    return groups


def _kinds_at(registry: Registry, group_name: str, version: str) -> list[ResourceType]:
    return [kind for kind in registry if kind.group == group_name and kind.version == version]


def _version(registry: Registry, delegated: Delegated, name: str, version: str) -> JsonObject:
    if (name, version) in delegated:
        answer = delegated[name, version]
        resources = [] if answer is None else _from_resource_list(answer, name, version)
        freshness = "Stale" if answer is None else "Current"
        return {"version": version, "resources": resources, "freshness": freshness}
    resources = [_discovered(kind) for kind in _kinds_at(registry, name, version)]
    return {"version": version, "resources": resources, "freshness": "Current"}


def _discovered(resource: ResourceType) -> JsonObject:
    document: JsonObject = {
        "resource": resource.plural,
        "responseKind": _kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular_name,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        document["shortNames"] = list(resource.short_names)
    if resource.categories:
        document["categories"] = list(resource.categories)
    if resource.subresources:
        document["subresources"] = [_discovered_part(resource, name) for name in resource.subresources]
    return document


def _discovered_part(resource: ResourceType, name: str) -> JsonObject:
    group_name, version, kind, verbs = _subresource_kind(resource, name)
    return {"subresource": name, "responseKind": _kind(group_name, version, kind), "verbs": list(verbs)}


def _subresource_kind(resource: ResourceType, name: str) -> tuple[str, str, str, Sequence[str]]:
    same = (resource.group, resource.version, resource.kind, _READ_WRITE)
    return _SUBRESOURCE_KINDS.get(name, same)


def _kind(group_name: str, version: str, kind: str) -> JsonObject:
    return {"group": group_name, "version": version, "kind": kind}


def _resource(resource: ResourceType) -> JsonObject:
    document: JsonObject = {
        "name": resource.plural,
        "singularName": resource.singular_name,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        document["shortNames"] = list(resource.short_names)
    if resource.categories:
        document["categories"] = list(resource.categories)
    return document


def _subresource(resource: ResourceType, name: str) -> JsonObject:
    group_name, version, kind, verbs = _subresource_kind(resource, name)
    document: JsonObject = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": list(verbs),
    }
    if group_name != resource.group:
        document |= {"group": group_name, "version": version}
    return document


def _from_resource_list(answer: JsonObject, group_name: str, version: str) -> list[JsonObject]:
    """A backend's own list, in the aggregated form."""
    resources: Iterable[JsonObject] = answer.get("resources") or ()
    return [
        {
            "resource": item["name"],
            "responseKind": _kind(
                item.get("group") or group_name, item.get("version") or version, item.get("kind", "")
            ),
            "scope": "Namespaced" if item.get("namespaced") else "Cluster",
            "singularResource": item.get("singularName") or item["name"],
            "verbs": list(item.get("verbs") or ()),
        }
        for item in resources
        if "/" not in str(item.get("name", "/"))
    ]
