"""Applies manifest files to a cluster through its API, for whoever has no kubectl at hand."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from inferno_shared.errors import ConfigurationError, ConflictError
from inferno_shared.kubernetes import JsonObject, KubernetesClient, Resource


async def apply_manifests(client: KubernetesClient, paths: Sequence[Path]) -> None:
    """Create every object in these files (or the `*.yaml` of a folder); an existing one is changed.

    Raises ConfigurationError naming the file for what is not a manifest, KubernetesError for what is refused.
    """
    for path in paths:
        for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
            for document in _documents(file):
                await apply_object(client, document)


async def apply_object(client: KubernetesClient, document: JsonObject) -> None:
    """Create one object, or change it if it exists."""
    resource = await _resource_of(client, document)
    metadata = document["metadata"]
    namespace = metadata.get("namespace", "default") if resource.namespaced else None
    try:
        await client.create(resource, document, namespace)
    except ConflictError:
        await client.merge_patch(resource, document, metadata["name"], namespace)


def _documents(file: Path) -> list[JsonObject]:
    try:
        documents = [document for document in yaml.safe_load_all(file.read_text()) if document]
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error
    for document in documents:
        if not isinstance(document, dict) or not {"apiVersion", "kind", "metadata"} <= document.keys():
            raise ConfigurationError(f"{file}: every document needs apiVersion, kind and metadata")
    return documents


async def _resource_of(client: KubernetesClient, document: JsonObject) -> Resource:
    """Ask the cluster under which path it serves this kind."""
    api_version, kind = document["apiVersion"], document["kind"]
    group, _, version = api_version.rpartition("/")
    found = await client.raw_get(f"/apis/{api_version}" if group else f"/api/{api_version}")
    for one in found.get("resources") or ():
        if one["kind"] == kind and "/" not in one["name"]:
            return Resource(group, version, one["name"], kind, namespaced=bool(one["namespaced"]))
    raise ConfigurationError(f"the cluster has no kind {kind} in {api_version}")
