"""The golden renderings as objects, for tests that need no helm."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from chart.documents import Document
from chart.paths import GOLDEN

CASES = ("openshift", "kubernetes", "cert-manager", "external-metrics", "two-namespaces")
SERVICES = {"actuator": "controller-manager", "collector": "collector", "optimizer": "optimizer"}


@cache
def objects(case: str) -> tuple[Document, ...]:
    text = (GOLDEN / f"{case}.yaml").read_text()
    return tuple(document for document in yaml.load_all(text, yaml.CSafeLoader) if document)


def one(case: str, kind: str, name: str) -> Document:
    (found,) = (it for it in objects(case) if (it["kind"], it["metadata"]["name"]) == (kind, name))
    return found


def of_kind(case: str, kind: str) -> list[Document]:
    return [it for it in objects(case) if it["kind"] == kind]


def pod_specs(case: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for it in objects(case):
        if it["kind"] == "Deployment":
            yield it["metadata"]["name"], it["spec"]["template"]["spec"]
        elif it["kind"] == "Pod":
            yield it["metadata"]["name"], it["spec"]


def environment(case: str, service: str) -> dict[str, str]:
    deployment = one(case, "Deployment", f"inferno-autoscaler-{SERVICES[service]}")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {it["name"]: it.get("value", "") for it in container["env"]}
