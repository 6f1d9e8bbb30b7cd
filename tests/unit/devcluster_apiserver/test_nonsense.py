"""Nonsense in any field of any kind is refused with a Status; it never crashes the server, then or later."""

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devcluster.apiserver import create_api
from devcluster.apiserver.objects.json_types import JsonValue, copy_value

CONTAINER = {
    "name": "c",
    "image": "busybox",
    "env": [{"name": "A", "value": "1"}],
    "ports": [{"containerPort": 80, "protocol": "TCP"}],
    "resources": {"limits": {"nvidia.com/gpu": 1}, "requests": {"cpu": "100m"}},
}
POD = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER], "initContainers": [CONTAINER]}}
SELECTOR = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
METRIC = {
    "type": "External",
    "external": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}},
}
CONDITION = {"type": "Ready", "status": "True", "lastTransitionTime": "2025-01-01T00:00:00Z"}
STATE = {"name": "c", "ready": True, "restartCount": 1, "state": {"terminated": {"exitCode": 1}}}
ROOT_SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {"a": {"type": "integer", "minimum": 1, "default": 2}},
            "x-kubernetes-validations": [{"rule": "self.a > 0", "message": "no"}],
        }
    },
}
VERSION = {
    "name": "v1",
    "served": True,
    "storage": True,
    "schema": {"openAPIV3Schema": ROOT_SCHEMA},
    "subresources": {"status": {}},
    "additionalPrinterColumns": [{"name": "A", "type": "integer", "jsonPath": ".spec.a"}],
}
NAMESPACED = "/api/v1/namespaces/default"
DOCUMENTS: dict[str, dict[str, Any]] = {
    f"{NAMESPACED}/pods": {
        **POD,
        "status": {"phase": "Running", "conditions": [CONDITION], "containerStatuses": [STATE]},
    },
    "/api/v1/nodes": {
        "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]},
        "status": {
            "capacity": {"cpu": "1"},
            "conditions": [CONDITION],
            "addresses": [{"type": "InternalIP", "address": "1"}],
        },
    },
    f"{NAMESPACED}/services": {
        "spec": {"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": 80}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}},
    },
    f"{NAMESPACED}/events": {
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "lastTimestamp": "2025-01-01T00:00:00Z",
        "message": "text",
        "source": {"component": "x"},
        "count": 1,
    },
    f"{NAMESPACED}/secrets": {"data": {"a": "eA=="}, "stringData": {"b": "x"}},
    "/apis/apps/v1/namespaces/default/deployments": {
        "spec": {
            "replicas": 1,
            "selector": SELECTOR,
            "template": POD,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
        },
        "status": {"replicas": 1, "conditions": [CONDITION]},
    },
    "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers": {
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "d"},
            "maxReplicas": 3,
            "metrics": [METRIC],
            "behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]}},
        },
        "status": {
            "currentReplicas": 1,
            "currentMetrics": [{"type": "External", "external": {"current": {}}}],
        },
    },
    "/apis/coordination.k8s.io/v1/namespaces/default/leases": {"spec": {"holderIdentity": "x"}},
    "/apis/apiregistration.k8s.io/v1/apiservices": {
        "spec": {"group": "g.io", "version": "v1", "service": {"namespace": "default", "name": "s"}},
        "status": {"conditions": [CONDITION]},
    },
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": {
        "metadata": {"name": "ws.g.io"},
        "spec": {
            "group": "g.io",
            "scope": "Namespaced",
            "names": {"kind": "W", "plural": "ws", "shortNames": ["w"]},
            "versions": [VERSION],
        },
    },
}
METADATA = {
    "name": "n",
    "labels": {"a": "b"},
    "annotations": {"a": "b"},
    "finalizers": ["example.com/x"],
    "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": "u"}],
}
NONSENSE: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 1)
    | st.floats(0, 1)
    | st.sampled_from(["", "x", "-1", "1Gi"]),
    lambda child: st.lists(child, max_size=2) | st.dictionaries(st.sampled_from("ab"), child, max_size=2),
    max_leaves=3,
)
MERGE = {"content-type": "application/merge-patch+json"}
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
REFUSED = {400, 404, 409, 422}


def paths_of(value: JsonValue, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [path] + [found for key, child in children for found in paths_of(child, (*path, key))]


def replaced(document: dict[str, Any], path: tuple[str | int, ...], value: JsonValue) -> dict[str, Any]:
    changed: Any = copy_value(document)
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    return dict(changed)


async def look_around(api: httpx.AsyncClient, collection: str) -> None:
    """Whatever was stored can be listed, printed, discovered and explained."""
    assert (await api.get(collection, headers=TABLE)).status_code == 200
    assert (await api.get("/apis")).status_code == 200
    for path in (await api.get("/openapi/v3")).json()["paths"]:
        if path.endswith("g.io/v1"):
            assert (await api.get(f"/openapi/v3/{path}")).status_code == 200


@pytest.mark.parametrize("collection", DOCUMENTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
async def test_one_wrong_value_anywhere(collection: str, data: st.DataObject) -> None:
    document = {
        **DOCUMENTS[collection],
        "metadata": {**METADATA, **DOCUMENTS[collection].get("metadata", {})},
    }
    path = data.draw(st.sampled_from(paths_of(document)[1:]), label="path")
    body = replaced(document, path, data.draw(NONSENSE, label="value"))
    transport = httpx.ASGITransport(app=create_api())
    async with httpx.AsyncClient(transport=transport, base_url="http://devcluster") as api:
        made = await api.post(collection, json=body)
        assert made.status_code in REFUSED | {201}, made.text
        await look_around(api, collection)
        if made.status_code == 201:
            item = f"{collection}/{made.json()['metadata']['name']}"
            status = await api.patch(f"{item}/status", json={"status": body.get("status")}, headers=MERGE)
            assert status.status_code in REFUSED | {200}, status.text
            assert (await api.patch(item, json=document, headers=MERGE)).status_code in REFUSED | {200}
            await look_around(api, collection)
            assert (await api.delete(item)).status_code == 200
        else:
            await api.post(collection, json=document)
            assert (await api.patch(f"{collection}/n", json=body, headers=MERGE)).status_code in REFUSED | {
                200
            }
            await look_around(api, collection)
