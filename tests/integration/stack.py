"""The whole product for a test: a cluster, and the three services as processes."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

from demo.certificate import write_certificate
from demo.stack import free_port
from devcluster.manifests import apply_object
from inferno_shared.errors import InfernoError
from inferno_shared.kubernetes import CONFIG_MAPS, DEPLOYMENTS, VARIANT_AUTOSCALINGS, JsonObject
from integration.clusters import Cluster, a_cluster

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MANIFESTS = ROOT / "hack/demo/manifests"
SYSTEM = "inferno-autoscaler-system"
NAMESPACE = "llm-d-sim"
NAME = "ms-inference-scheduling-llm-d-modelservice-decode"
SERVICE = f"{NAMESPACE}/vllm-service"
LIMIT_SECONDS = 40.0
INTERVAL = "1s"
Found = TypeVar("Found")
FAST_EMULATOR = {"VLLME_ALPHA_MS": "1", "VLLME_BETA_MS": "0.05"}
PACE = {
    "INFERNO_LOAD_SOURCE": "scrape",
    "INFERNO_SCRAPE_INTERVAL_SECONDS": "0.3",
    "INFERNO_LOAD_WINDOW_SECONDS": "5",
    "INFERNO_LOAD_MINIMUM_SPAN_SECONDS": "1",
    "INFERNO_LOAD_STALE_SECONDS": "2",
}


async def until(what: Callable[[], Awaitable[Found]], *, seconds: float = LIMIT_SECONDS) -> Found:
    """The first true result of `what`; an API that does not answer yet is no result."""
    found: Found | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    found = await what()
                except (InfernoError, httpx.HTTPError):
                    found = None
                if found:
                    return found
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"did not happen within {seconds:g} s; last seen: {found!r}") from None


@dataclass
class Service:
    """One of the three services, as a process that a test may kill, stop, continue and start again."""

    name: str
    port: int
    folder: Path
    variables: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on its port; the log goes on in the same file."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [BIN / f"inferno-{self.name}", "--host", "127.0.0.1", "--port", str(self.port)],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.variables},
            )

    def kill(self) -> None:
        """End it without any chance to say goodbye."""
        self.send(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the running process."""
        assert self.process is not None
        self.process.send_signal(number)

    def log(self) -> str:
        """All that it wrote."""
        return (self.folder / f"{self.name}.log").read_text()


@dataclass
class Stack:
    """A running product and its way in."""

    cluster: Cluster
    collector: Service
    optimizer: Service
    actuator: Service
    http: httpx.AsyncClient

    async def variant(self, name: str = NAME) -> JsonObject:
        """The VariantAutoscaling as it is now."""
        return await self.cluster.client.get(VARIANT_AUTOSCALINGS, name, NAMESPACE)

    async def desired(self, name: str = NAME) -> int | None:
        """Desired replicas in its status."""
        status = (await self.variant(name)).get("status", {})
        found: int | None = status.get("desiredOptimizedAlloc", {}).get("numReplicas")
        return found

    async def condition(self, kind: str, name: str = NAME) -> JsonObject:
        """One condition of its status; empty while there is none."""
        conditions = (await self.variant(name)).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), {})

    async def replicas(self) -> int:
        """Replicas that the HPA asked for."""
        found: int = (await self.cluster.client.get(DEPLOYMENTS, NAME, NAMESPACE))["spec"]["replicas"]
        return found

    async def exported(self, name: str = NAME) -> float | None:
        """The actuator's inferno_desired_replicas of a variant."""
        answer = await self.http.get(f"https://localhost:{self.actuator.port}/metrics")
        for line in answer.text.splitlines():
            if line.startswith("inferno_desired_replicas{") and f'variant_name="{name}"' in line:
                return float(line.rsplit(" ", 1)[1])
        return None

    async def fault(self, **what: Any) -> None:  # noqa: ANN401 - a fault's JSON
        """Make the Kubernetes API misbehave."""
        (await self.http.post(f"{self.cluster.url}/devcluster/faults", json=what)).raise_for_status()

    async def set_config(self, name: str, **data: str) -> None:
        """Change entries of one of the autoscaler's ConfigMaps."""
        await self.cluster.client.merge_patch(CONFIG_MAPS, {"data": data}, name, SYSTEM)

    async def request(self, *, tokens: int = 279) -> None:
        """One completion through the Service."""
        body = {"model": "Qwen/Qwen3-0.6B", "prompt": "hello", "max_tokens": tokens}
        url = self.cluster.service_url(NAMESPACE, "vllm-service")
        (await self.http.post(f"{url}/v1/completions", json=body, timeout=30)).raise_for_status()

    async def burst(self, requests: int, *, seconds: float) -> None:
        """Evenly spaced requests; returns when all have been answered."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(requests):
                tasks.create_task(self.request())
                await asyncio.sleep(seconds / requests)


@asynccontextmanager
async def running_stack(
    folder: Path, *, interval: str = INTERVAL, nodes: int = 2, real: bool = False
) -> AsyncIterator[Stack]:
    """Start everything, apply the seed's manifests, and wait for nothing; `real`: on a real control plane."""
    certificate, key = write_certificate(folder, datetime.now(UTC))
    ports = {name: free_port(0) for name in ("collector", "optimizer", "actuator")}
    async with (
        a_cluster(
            real=real,
            nodes=nodes,
            hpa_sync_seconds=0.5,
            emulator_variables=FAST_EMULATOR,
            services=[SERVICE],
        ) as cluster,
        httpx.AsyncClient(verify=ssl.create_default_context(cafile=certificate), timeout=10) as http,
    ):
        await _apply(cluster, ports["actuator"], interval)
        kubeconfig = {"KUBECONFIG": str(cluster.kubeconfig)}
        stack = Stack(
            cluster=cluster,
            collector=Service("collector", ports["collector"], folder, {**kubeconfig, **PACE}),
            optimizer=Service("optimizer", ports["optimizer"], folder, {}),
            actuator=Service(
                "actuator",
                ports["actuator"],
                folder,
                {
                    **kubeconfig,
                    "INFERNO_COLLECTOR_URL": f"http://127.0.0.1:{ports['collector']}",
                    "INFERNO_OPTIMIZER_URL": f"http://127.0.0.1:{ports['optimizer']}",
                    "INFERNO_COLLECTOR_TIMEOUT_SECONDS": "2",
                    "INFERNO_OPTIMIZER_TIMEOUT_SECONDS": "2",
                    "INFERNO_EXTERNAL_METRICS": "true",
                    "INFERNO_TLS_CERT_FILE": str(certificate),
                    "INFERNO_TLS_KEY_FILE": str(key),
                },
            ),
            http=http,
        )
        services = (stack.collector, stack.optimizer, stack.actuator)
        try:
            for service in services:
                service.start()
            yield stack
        finally:
            for service in services:
                if service.process is not None and service.process.poll() is None:
                    service.kill()


async def _apply(cluster: Cluster, actuator_port: int, interval: str) -> None:
    await apply_object(
        cluster.client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    )
    await apply_object(
        cluster.client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}
    )
    sources = (
        ROOT / "config/crd/llmd.ai_variantautoscalings.yaml",
        ROOT / "config/manager/configmap.yaml",
        ROOT / "config/samples/acc-servclass-configmap.yaml",
        ROOT / "config/samples/vllm-deployment-service-servicemon.yaml",
        MANIFESTS / "metrics-service.yaml",
        ROOT / "config/external-metrics/apiservice.yaml",
        ROOT / "config/samples/vllm-va.yaml",
        ROOT / "config/samples/hpa-integration.yaml",
    )
    for source in sources:
        text = source.read_text().replace("port: 8443", f"port: {actuator_port}")
        for document in yaml.safe_load_all(text.replace('"60s"', f'"{interval}"')):
            if document and document["kind"] != "ServiceMonitor":
                await until(partial(applied, cluster, document))


async def applied(cluster: Cluster, document: JsonObject) -> bool:
    """Create an object; a kind that has just been defined may not be served yet."""
    await apply_object(cluster.client, document)
    return True
