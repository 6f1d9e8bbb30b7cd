"""Makes our nodes known to the API server, or takes over the Node objects that are there already."""

from collections.abc import Sequence
from datetime import datetime

from devcluster.kubelet.nodes import NodePool, node_object, node_status, taints_to_keep
from inferno_shared.errors import ConflictError
from inferno_shared.kubernetes import NODES, JsonObject, KubernetesClient


async def register_nodes(
    client: KubernetesClient,
    pools: Sequence[NodePool],
    adopted: Sequence[str],
    *,
    prefix: str,
    address: str,
    kubelet_port: int,
    now: datetime,
) -> frozenset[str]:
    """Create the nodes of all pools (PREFIX0, PREFIX1, ...), adopt the named ones, and return all names.

    Raises NotFoundError if a node to adopt does not exist.
    """
    members = [pool for pool in pools for _ in range(pool.nodes)]
    for index, pool in enumerate(members):
        node = node_object(f"{prefix}{index}", pool)
        current = await _create_or_relabel(client, node)
        await _bring_up(client, current, pool, address, kubelet_port, now)
    for name in adopted:
        current = await client.get(NODES, name)
        await _bring_up(client, current, None, address, kubelet_port, now)
    return frozenset([*(f"{prefix}{index}" for index in range(len(members))), *adopted])


async def _create_or_relabel(client: KubernetesClient, node: JsonObject) -> JsonObject:
    try:
        return await client.create(NODES, node)
    except ConflictError:  # an earlier run registered it
        patch = {"metadata": {"labels": node["metadata"]["labels"]}}
        return await client.merge_patch(NODES, patch, node["metadata"]["name"])


async def _bring_up(
    client: KubernetesClient,
    node: JsonObject,
    pool: NodePool | None,
    address: str,
    kubelet_port: int,
    now: datetime,
) -> None:
    name = node["metadata"]["name"]
    status = node_status(node, pool, address=address, kubelet_port=kubelet_port, now=now)
    await client.merge_patch(NODES, {"status": status}, name, subresource="status")
    kept = taints_to_keep(node)
    if kept is not None:
        await client.merge_patch(NODES, {"spec": {"taints": kept}}, name)
