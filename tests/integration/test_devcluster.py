"""The development cluster as a whole: the seed's manifests, real emulator processes, the HPA's loop."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from devcluster.manifests import apply_object
from inferno_shared.errors import NotFoundError
from inferno_shared.kubernetes import (
    DEPLOYMENTS,
    EVENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    NODES,
    PODS,
    JsonObject,
)
from integration.clusters import Cluster, a_cluster, api_client

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "config/samples"
NAMESPACE = "llm-d-sim"
NAME = "ms-inference-scheduling-llm-d-modelservice-decode"
SERVICE = f"{NAMESPACE}/vllm-service"
LIMIT_SECONDS = 20.0
FAST_EMULATOR = {"VLLME_ALPHA_MS": "2", "VLLME_BETA_MS": "0.1"}


async def until(what: Callable[[], Any], *, seconds: float = LIMIT_SECONDS) -> Any:  # noqa: ANN401 - whatever it finds
    """The first true result of `what`."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                found = await what()
            except NotFoundError:
                found = None
            if found:
                return found
            await asyncio.sleep(0.05)


def sample(name: str, kind: str) -> JsonObject:
    """One document of the seed's manifests."""
    documents = yaml.safe_load_all((SAMPLES / name).read_text())
    found: JsonObject = next(document for document in documents if document["kind"] == kind)
    return found


@asynccontextmanager
async def seeded_cluster(**settings: Any) -> AsyncIterator[Cluster]:  # noqa: ANN401 - passed on
    """A cluster with the guide's secret, Deployment and Service."""
    async with a_cluster(services=[SERVICE], emulator_variables=FAST_EMULATOR, **settings) as cluster:
        for document in (
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "llm-d-hf-token", "namespace": NAMESPACE},
                "stringData": {"token": "made-up"},
            },
            sample("vllm-deployment-service-servicemon.yaml", "Deployment"),
            sample("vllm-deployment-service-servicemon.yaml", "Service"),
        ):
            await apply_object(cluster.client, document)
        yield cluster


async def ready_replicas(cluster: Cluster, count: int) -> JsonObject:
    """The Deployment, once it has exactly so many ready pods and no others."""

    async def check() -> JsonObject | None:
        deployment = await cluster.client.get(DEPLOYMENTS, NAME, NAMESPACE)
        status = deployment.get("status") or {}
        settled = status.get("replicas") == status.get("readyReplicas") == count
        return deployment if settled else None

    found: JsonObject = await until(check)
    return found


async def pods_of(cluster: Cluster) -> list[JsonObject]:
    return (await cluster.client.list(PODS, NAMESPACE)).items


async def scale(cluster: Cluster, replicas: int) -> None:
    patch = {"spec": {"replicas": replicas}}
    await cluster.client.merge_patch(DEPLOYMENTS, patch, NAME, NAMESPACE, subresource="scale")


def emulators() -> list[psutil.Process]:
    """The emulator processes that this test process has started."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "vllm_emulator" in " ".join(child.cmdline())
    ]


def running(metrics: str) -> float:
    """Requests that an emulator works on, from its metrics."""
    line = next(line for line in metrics.splitlines() if line.startswith("vllm:num_requests_running"))
    return float(line.split()[-1])


@dataclass
class ExternalMetrics:
    """An external metrics API with one series, or none."""

    value: str | None = None
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        if "/namespaces/" in path:
            self.asked.append(path)
        items = (
            [] if self.value is None else [{"metricName": "inferno_desired_replicas", "value": self.value}]
        )
        body = json.dumps({"kind": "ExternalMetricValueList", "items": items}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def external_metrics(cluster: Cluster) -> AsyncIterator[ExternalMetrics]:
    """Register an external metrics API with the cluster's aggregator."""
    metrics = ExternalMetrics()
    server = await asyncio.start_server(metrics.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await apply_object(
        cluster.client,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "metrics", "namespace": NAMESPACE},
            "spec": {
                "type": "ExternalName",
                "externalName": "localhost",
                "ports": [{"port": port, "appProtocol": "http"}],
            },
        },
    )
    await apply_object(
        cluster.client,
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
            "spec": {
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "service": {"namespace": NAMESPACE, "name": "metrics", "port": port},
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    )
    try:
        yield metrics
    finally:
        server.close()


async def hpa_status(cluster: Cluster) -> JsonObject:
    hpa = await cluster.client.get(HORIZONTAL_POD_AUTOSCALERS, "vllm-deployment-hpa", NAMESPACE)
    status: JsonObject = hpa.get("status") or {}
    return status


@pytest.mark.development_cluster_only("tests/e2e/test_hpa.py shows it on both")
async def test_the_seeds_hpa_follows_its_metric_and_holds_without_it() -> None:
    async with (
        seeded_cluster(real=False, hpa_sync_seconds=0.3) as cluster,
        external_metrics(cluster) as metrics,
    ):
        await ready_replicas(cluster, 1)
        metrics.value = "3"
        await apply_object(cluster.client, sample("hpa-integration.yaml", "HorizontalPodAutoscaler"))
        await ready_replicas(cluster, 3)
        metrics.value = "4"
        await ready_replicas(cluster, 4)
        events = (await cluster.client.list(EVENTS, NAMESPACE)).items
        sizes = [event["message"].split(";")[0] for event in events if event["reason"] == "SuccessfulRescale"]
        assert sizes == ["New size: 3", "New size: 4"]
        assert f"labelSelector=variant_name%3D{NAME}" in metrics.asked[0]

        metrics.value = None

        async def says_unknown() -> JsonObject | None:
            status = await hpa_status(cluster)
            active = {one["type"]: one["status"] for one in status.get("conditions") or ()}
            return status if active.get("ScalingActive") == "False" else None

        status = await until(says_unknown)
        assert status["currentMetrics"] == [{"type": ""}]
        assert (status["currentReplicas"], status["desiredReplicas"]) == (4, 4)

        metrics.value = "1"
        await ready_replicas(cluster, 1)
        assert len(await until_emulators(1)) == 1


async def until_emulators(count: int) -> list[psutil.Process]:
    async def check() -> list[psutil.Process] | None:
        found = emulators()
        return found if len(found) == count else None

    found: list[psutil.Process] = await until(check)
    return found


async def test_requests_are_spread_and_none_is_lost_while_pods_go(real: bool) -> None:  # noqa: FBT001 - a fixture
    async with seeded_cluster(real=real) as cluster:
        await ready_replicas(cluster, 1)
        await scale(cluster, 3)
        await ready_replicas(cluster, 3)
        addresses = [pod["status"]["podIP"] for pod in await pods_of(cluster)]
        url = cluster.service_url(NAMESPACE, "vllm-service")
        async with httpx.AsyncClient(timeout=LIMIT_SECONDS) as client:

            async def ask(tokens: int = 100) -> int:
                question = {"model": "Qwen/Qwen3-0.6B", "prompt": "hello", "max_tokens": tokens}
                return (await client.post(f"{url}/v1/completions", json=question)).status_code

            assert await asyncio.gather(*(ask() for _ in range(9))) == [200] * 9
            metrics = [(await client.get(f"http://{address}:8200/metrics")).text for address in addresses]
            finished = [text.split('finished_reason="length"')[1].split("\n")[0] for text in metrics]
            assert [line.split()[-1] for line in finished] == ["3.0"] * 3

            under_way = [asyncio.create_task(ask(tokens=600)) for _ in range(9)]

            async def all_running() -> bool:
                texts = [(await client.get(f"http://{address}:8200/metrics")).text for address in addresses]
                return sum(running(text) for text in texts) == 9

            await until(all_running)
            await scale(cluster, 1)
            assert await asyncio.gather(*under_way) == [200] * 9
            await ready_replicas(cluster, 1)


async def test_the_slip_in_the_guides_secret_is_named_and_stops_nothing(real: bool) -> None:  # noqa: FBT001 - a fixture
    async with seeded_cluster(real=real) as cluster:
        await ready_replicas(cluster, 1)
        events = (await cluster.client.list(EVENTS, NAMESPACE)).items
        warnings = [event["message"] for event in events if event["type"] == "Warning"]
        assert len(warnings) == 1
        assert "Secret llm-d-sim/llm-d-hf-token has no key HF_TOKEN, it has: token" in warnings[0]


async def test_a_crashed_server_is_restarted_and_its_log_is_served(real: bool) -> None:  # noqa: FBT001 - a fixture
    async with seeded_cluster(real=real) as cluster:
        await ready_replicas(cluster, 1)
        (before,) = emulators()
        before.kill()

        async def restarted() -> JsonObject | None:
            (pod,) = await pods_of(cluster)
            (container,) = pod["status"]["containerStatuses"]
            return pod if container["restartCount"] == 1 and container["ready"] else None

        pod = await until(restarted)
        path = PODS.path(NAMESPACE, pod["metadata"]["name"], "log")
        async with api_client(cluster) as client:
            now = await client.get(path, params={"container": "vllm", "tailLines": "1"})
            previous = await client.get(path, params={"container": "vllm", "previous": "true"})
        assert now.text.startswith(f"serving Qwen/Qwen3-0.6B at http://{pod['status']['podIP']}:8200")
        assert "serving Qwen/Qwen3-0.6B" in previous.text


async def test_pods_beyond_the_gpus_wait_and_start_when_one_is_free(real: bool) -> None:  # noqa: FBT001 - a fixture
    async with seeded_cluster(real=real, nodes=1, gpus=2) as cluster:
        await scale(cluster, 3)

        async def refused() -> str | None:
            for pod in await pods_of(cluster):
                for one in pod["status"].get("conditions") or ():
                    if one["type"] == "PodScheduled" and one["status"] == "False":
                        return str(one["message"])
            return None

        assert (await until(refused)).startswith("0/1 nodes are available: 1 Insufficient nvidia.com/gpu. ")
        running = next(pod for pod in await pods_of(cluster) if pod["spec"].get("nodeName"))
        await cluster.client.delete(PODS, running["metadata"]["name"], NAMESPACE)

        async def two_new_ones_run() -> bool:
            pods = await pods_of(cluster)
            bound = [pod for pod in pods if pod["spec"].get("nodeName")]
            return len(bound) == 2 and running["metadata"]["uid"] not in {
                pod["metadata"]["uid"] for pod in bound
            }

        assert await until(two_new_ones_run)


async def test_a_new_template_replaces_the_pods_one_by_one(real: bool) -> None:  # noqa: FBT001 - a fixture
    async with seeded_cluster(real=real) as cluster:
        await ready_replicas(cluster, 1)
        (old,) = await pods_of(cluster)
        annotation = {"spec": {"template": {"metadata": {"annotations": {"rolled": "out"}}}}}
        await cluster.client.merge_patch(DEPLOYMENTS, annotation, NAME, NAMESPACE)

        async def replaced() -> JsonObject | None:
            pods = await pods_of(cluster)
            (pod, *others) = pods
            is_new = pod["metadata"]["uid"] != old["metadata"]["uid"]
            return pod if is_new and not others else None

        pod = await until(replaced)
        assert pod["metadata"]["annotations"] == {"rolled": "out"}
        deployment = await ready_replicas(cluster, 1)
        assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"


@asynccontextmanager
async def program(tmp_path: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m devcluster`, ready, with the kubeconfig in `tmp_path`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "devcluster", "--kubeconfig", str(tmp_path / "kubeconfig"), *arguments,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "hack"), str(ROOT / "hack/vllme")])},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while (line := (await process.stdout.readline()).decode().strip()) != "ready":
                assert line, "the program ended before it was ready"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.development_cluster_only("it is the program that is tested")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)])
async def test_the_program_leaves_no_process_behind(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    manifest = tmp_path / "deployment.yaml"
    deployment = sample("vllm-deployment-service-servicemon.yaml", "Deployment")
    deployment["metadata"]["namespace"] = "default"
    manifest.write_text(yaml.safe_dump(deployment))
    arguments = ("--nodes", "2", "--no-node-ports", "--startup-seconds", "0", "--apply", str(manifest))
    async with program(tmp_path, *arguments) as process:
        assert (tmp_path / "kubeconfig").exists()
        (child,) = await until_emulators(1)
        process.send_signal(number)
        async with asyncio.timeout(LIMIT_SECONDS):
            assert await process.wait() == code

    async def gone() -> bool:
        return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

    assert await until(gone)


async def test_nodes_describe_their_devices(real: bool) -> None:  # noqa: FBT001 - a fixture
    async with a_cluster(real=real, nodes=2, gpus=4) as cluster:
        nodes = (await cluster.client.list(NODES)).items
        assert [node["metadata"]["name"] for node in nodes] == ["gpu-node-0", "gpu-node-1"]
        assert {node["status"]["allocatable"]["nvidia.com/gpu"] for node in nodes} == {"4"}
        labels = nodes[0]["metadata"]["labels"]
        assert labels["nvidia.com/gpu.product"] == "NVIDIA-H100-80GB-HBM3"
