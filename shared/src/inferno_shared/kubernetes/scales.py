"""The scale subresource of whatever can be scaled: Deployments, StatefulSets, LeaderWorkerSets, ...

A kind's path is found by discovery, so that a custom resource with a scale needs no line of code here.
"""

from dataclasses import dataclass

from inferno_shared.errors import KubernetesError, NotFoundError
from inferno_shared.kubernetes.client import JsonObject, KubernetesClient
from inferno_shared.kubernetes.models import ScaleTargetRef
from inferno_shared.kubernetes.resources import Resource

SCALE = "scale"


@dataclass(frozen=True, slots=True)
class Scale:
    """How many replicas a workload is asked for and has, at one version of the object; its uid."""

    replicas: int
    status_replicas: int
    resource_version: str
    uid: str = ""


class ScaleClient:
    """Reads and writes scales; remembers where each kind lives."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._resources: dict[tuple[str, str], Resource] = {}

    async def read(self, target: ScaleTargetRef, namespace: str) -> Scale:
        """Return the scale of a workload.

        Raises NotFoundError when the workload or its kind does not exist, KubernetesError when it cannot be
        scaled.
        """
        resource = await self.resource(target)
        return _parsed(await self._client.get(resource, target.name, namespace, subresource=SCALE))

    async def write(
        self, target: ScaleTargetRef, namespace: str, *, replicas: int, resource_version: str
    ) -> None:
        """Ask for so many replicas. Raises ConflictError when the object is not of that version any more."""
        resource = await self.resource(target)
        patch = {"metadata": {"resourceVersion": resource_version}, "spec": {"replicas": replicas}}
        await self._client.merge_patch(resource, patch, target.name, namespace, subresource=SCALE)

    async def resource(self, target: ScaleTargetRef) -> Resource:
        """Return where the kind of a workload lives.

        Raises NotFoundError when the cluster does not have it, KubernetesError when it cannot be scaled.
        """
        kind = (target.api_version, target.kind)
        if kind not in self._resources:
            self._resources[kind] = await self._discovered(*kind)
        return self._resources[kind]

    async def _discovered(self, api_version: str, kind: str) -> Resource:
        group, _, version = api_version.rpartition("/")
        try:
            listing = await self._client.raw_get(f"/apis/{group}/{version}" if group else f"/api/{version}")
        except NotFoundError as error:
            raise NotFoundError(
                f"the cluster serves no API {api_version}: install the CustomResourceDefinition of {kind}, "
                "or correct spec.scaleTargetRef.apiVersion",
                status=404,
            ) from error
        served = {str(it.get("name")): it for it in listing.get("resources") or ()}
        plural = next(
            (name for name, it in served.items() if it.get("kind") == kind and "/" not in name), None
        )
        if plural is None:
            raise NotFoundError(
                f"API {api_version} has no kind {kind}: correct spec.scaleTargetRef", status=404
            )
        if f"{plural}/{SCALE}" not in served:
            raise KubernetesError(f"{kind} ({api_version}) has no scale subresource: it cannot be scaled")
        return Resource(group, version, plural, kind)


def _parsed(raw: JsonObject) -> Scale:
    spec, status, metadata = (raw.get(key) or {} for key in ("spec", "status", "metadata"))
    return Scale(
        replicas=int(spec.get("replicas") or 0),
        status_replicas=int(status.get("replicas") or 0),
        resource_version=str(metadata.get("resourceVersion") or ""),
        uid=str(metadata.get("uid") or ""),
    )
