"""Kinds that come with a CustomResourceDefinition, and how clients find and learn about kinds."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from devcluster.apiserver import create_api

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
MERGE = {"content-type": "application/merge-patch+json"}
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}

WIDGET_CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["size"],
                                "properties": {
                                    "size": {"type": "integer", "minimum": 1},
                                    "replicas": {"type": "integer", "default": 2},
                                    "name": {"type": "string"},
                                },
                                "x-kubernetes-validations": [
                                    {
                                        "rule": "!has(self.name) || self.name == oldSelf.name",
                                        "message": "name is immutable",
                                    },
                                    {"rule": "self.size != 13", "message": "13 is unlucky"},
                                ],
                            },
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_api())
    async with httpx.AsyncClient(transport=transport, base_url="http://devcluster") as client:
        yield client


async def make(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def a_deployment(name: str = "d", **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of a Deployment
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "busybox"}]},
    }
    selector = {"matchLabels": {"app": name}}
    return {"metadata": {"name": name}, "spec": {"selector": selector, "template": template, **spec}}


async def test_a_custom_kind_is_served_from_its_definition_on(api: httpx.AsyncClient) -> None:
    assert (await api.get(WIDGETS)).status_code == 404
    definition = await make(api, CRDS, WIDGET_CRD)
    assert [item["type"] for item in definition["status"]["conditions"]] == ["NamesAccepted", "Established"]
    made = await make(api, WIDGETS, {"metadata": {"name": "w"}, "spec": {"size": 3}})
    assert made["spec"] == {"size": 3, "replicas": 2}
    table = (await api.get(WIDGETS, headers=TABLE)).json()
    assert table["rows"][0]["cells"][:2] == ["w", 3]
    scale = await api.patch(f"{WIDGETS}/w/scale", json={"spec": {"replicas": 5}}, headers=MERGE)
    assert scale.json()["spec"] == {"replicas": 5}
    await api.delete(f"{CRDS}/widgets.example.com")
    assert (await api.get(WIDGETS)).status_code == 404


async def test_a_custom_object_is_validated_in_the_servers_words(api: httpx.AsyncClient) -> None:
    await make(api, CRDS, WIDGET_CRD)
    answer = await api.post(WIDGETS, json={"metadata": {"name": "w"}, "spec": {"size": 0}})
    status = answer.json()
    message = "spec.size in body should be greater than or equal to 1"
    assert answer.status_code == 422
    assert status["message"] == (f'Widget.example.com "w" is invalid: spec.size: Invalid value: 0: {message}')
    assert status["details"]["causes"] == [
        {"reason": "FieldValueInvalid", "message": f"Invalid value: 0: {message}", "field": "spec.size"}
    ]
    unlucky = await api.post(WIDGETS, json={"metadata": {"name": "w"}, "spec": {"size": 13}})
    assert 'spec: Invalid value: "object": 13 is unlucky' in unlucky.json()["message"]


async def test_a_transition_rule_guards_updates(api: httpx.AsyncClient) -> None:
    await make(api, CRDS, WIDGET_CRD)
    await make(api, WIDGETS, {"metadata": {"name": "w"}, "spec": {"size": 1, "name": "a"}})
    answer = await api.patch(f"{WIDGETS}/w", json={"spec": {"name": "b"}}, headers=MERGE)
    assert answer.status_code == 422
    assert "name is immutable" in answer.json()["message"]
    assert (await api.patch(f"{WIDGETS}/w", json={"spec": {"size": 2}}, headers=MERGE)).status_code == 200


async def test_an_unknown_field_is_dropped_with_a_warning_or_refused(api: httpx.AsyncClient) -> None:
    await make(api, CRDS, WIDGET_CRD)
    body = {"metadata": {"name": "w"}, "spec": {"size": 1, "colour": "red"}}
    strict = await api.post(f"{WIDGETS}?fieldValidation=Strict", json=body)
    assert strict.status_code == 400
    assert 'strict decoding error: unknown field "spec.colour"' in strict.json()["message"]
    warned = await api.post(WIDGETS, json=body)
    assert warned.headers["warning"] == r'299 - "unknown field \"spec.colour\""'
    assert warned.json()["spec"] == {"size": 1, "replicas": 2}


async def test_replacing_a_custom_object_needs_its_version(api: httpx.AsyncClient) -> None:
    await make(api, CRDS, WIDGET_CRD)
    body = {"metadata": {"name": "w"}, "spec": {"size": 1}}
    await make(api, WIDGETS, body)
    answer = await api.put(f"{WIDGETS}/w", json=body)
    assert answer.status_code == 422
    assert "must be specified for an update" in answer.json()["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scope": "Everywhere"}, 'spec.scope: Unsupported value: "Everywhere"'),
        ({"versions": []}, "spec.versions: Required value"),
        ({"group": "other.com"}, 'must be spec.names.plural+"."+spec.group'),
        ({"versions": [{"name": "v1", "storage": True}]}, "schemas are required"),
    ],
)
async def test_a_broken_definition_is_refused(
    api: httpx.AsyncClient, change: dict[str, Any], message: str
) -> None:
    answer = await api.post(CRDS, json={**WIDGET_CRD, "spec": {**WIDGET_CRD["spec"], **change}})
    assert answer.status_code == 422
    assert message in answer.json()["message"]


async def test_strategic_merge_is_for_built_in_kinds(api: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/strategic-merge-patch+json"}
    await make(api, DEPLOYMENTS, a_deployment())
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}}}
    answer = (await api.patch(f"{DEPLOYMENTS}/d", json=patch, headers=headers)).json()
    (container,) = answer["spec"]["template"]["spec"]["containers"]
    assert (container["name"], container["image"]) == ("c", "nginx:1")
    await make(api, CRDS, WIDGET_CRD)
    await make(api, WIDGETS, {"metadata": {"name": "w"}, "spec": {"size": 1}})
    assert (await api.patch(f"{WIDGETS}/w", json={}, headers=headers)).status_code == 415


async def test_discovery_names_kinds_short_names_and_subresources(api: httpx.AsyncClient) -> None:
    await make(api, CRDS, WIDGET_CRD)
    accept = {"accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    groups = (await api.get("/apis", headers=accept)).json()["items"]
    (widgets,) = next(item for item in groups if item["metadata"]["name"] == "example.com")["versions"][0][
        "resources"
    ]
    assert (widgets["resource"], widgets["shortNames"], widgets["scope"]) == ("widgets", ["wd"], "Namespaced")
    assert [part["subresource"] for part in widgets["subresources"]] == ["status", "scale"]
    listed = (await api.get("/apis/example.com/v1")).json()["resources"]
    assert [item["name"] for item in listed] == ["widgets", "widgets/status", "widgets/scale"]
    assert (await api.get("/api")).json()["versions"] == ["v1"]
    assert (await api.get("/apis/example.com")).json()["preferredVersion"]["version"] == "v1"
    assert (await api.get("/apis/absent.example.com")).status_code == 404


async def test_openapi_describes_custom_kinds_and_field_validation(api: httpx.AsyncClient) -> None:
    await make(api, CRDS, WIDGET_CRD)
    url = (await api.get("/openapi/v3")).json()["paths"]["apis/example.com/v1"]["serverRelativeURL"]
    document = (await api.get(url)).json()
    patch = document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]
    (schema,) = document["components"]["schemas"].values()
    assert schema["properties"]["spec"]["properties"]["size"]["minimum"] == 1


async def test_health_and_version(api: httpx.AsyncClient) -> None:
    assert (await api.get("/readyz")).text == "ok"
    assert (await api.get("/version")).json()["major"] == "1"
