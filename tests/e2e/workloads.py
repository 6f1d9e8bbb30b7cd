"""More variants like the seed's: Deployment, Service, ServiceMonitor, VariantAutoscaling and HPA."""

import copy
import json
from typing import Any

import yaml

from e2e.clusters import NAMESPACE, SAMPLES, Cluster

Document = dict[str, Any]
SCRAPE_INTERVAL = "2s"


def seed_documents(name: str) -> list[Document]:
    """The documents of one of the seed's files."""
    return [document for document in yaml.safe_load_all((SAMPLES / name).read_text()) if document]


def add_variant(
    cluster: Cluster, name: str, *, model: str, accelerator: str, app: str, own_service: bool = True
) -> None:
    """A Deployment of `model` with its VariantAutoscaling and HPA; pods carry the label app=`app`.

    `own_service`: also a Service `NAME` and its ServiceMonitor; else a Service that selects `app` is there.
    """
    documents = [a_deployment(name, model, app), a_variant(name, model, accelerator), an_hpa(name)]
    if own_service:
        documents += [a_service(name, app), a_service_monitor(name)]
    for document in documents:
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(document))


def a_deployment(name: str, model: str, app: str) -> Document:
    document = copy.deepcopy(seed_documents("vllm-deployment-service-servicemon.yaml")[0])
    document["metadata"] = {"name": name, "namespace": NAMESPACE}
    labels = {"app": app, "variant": name}
    document["spec"]["selector"]["matchLabels"] = labels
    document["spec"]["template"]["metadata"]["labels"] = labels
    container = document["spec"]["template"]["spec"]["containers"][0]
    container["args"] = [model, "--port", "8200", "--served-model-name", model]
    return document


def a_service(name: str, app: str) -> Document:
    document = copy.deepcopy(seed_documents("vllm-deployment-service-servicemon.yaml")[1])
    document["metadata"] = {"name": name, "namespace": NAMESPACE, "labels": {"monitored": name}}
    document["spec"] = {"selector": {"app": app}, "ports": [{"name": "vllm", "port": 8200}]}
    return document


def a_service_monitor(name: str) -> Document:
    document = copy.deepcopy(seed_documents("vllm-deployment-service-servicemon.yaml")[2])
    document["metadata"]["name"] = name
    document["metadata"]["labels"] = {"monitored": name}
    document["spec"]["selector"]["matchLabels"] = {"monitored": name}
    document["spec"]["endpoints"][0]["interval"] = SCRAPE_INTERVAL
    return document


def a_variant(name: str, model: str, accelerator: str) -> Document:
    (document,) = copy.deepcopy(seed_documents("vllm-va.yaml"))
    document["metadata"]["name"] = name
    document["metadata"]["labels"]["inference.optimization/acceleratorName"] = accelerator
    document["spec"]["modelID"] = model
    del document["spec"]["sloClassRef"]
    return document


def an_hpa(name: str) -> Document:
    (document,) = copy.deepcopy(seed_documents("hpa-integration.yaml"))
    document["metadata"]["name"] = name
    document["spec"]["scaleTargetRef"]["name"] = name
    metric = document["spec"]["metrics"][0]["external"]["metric"]
    metric["selector"]["matchLabels"]["variant_name"] = name
    return document
