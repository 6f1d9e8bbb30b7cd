"""A large cluster for benchmarks, in a process of its own: the in-memory Kubernetes API, and a Prometheus.

    python tests/bench/large_cluster.py VARIANTS NODES PODS     # prints one JSON line when it is ready

Prometheus stands for Thanos: it answers each query with the series of all pods that it asks for, name by name
as the real one does, a sample every 15 s, each pod at its own moment. All serve at a steady 12 requests/min.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devcluster.apiserver import ApiServer, running_api
from devcluster.apiserver.objects.resources import WriteOptions
from devcluster.apiserver.server import listen, url_of

TESTS: Final = Path(__file__).parents[1]
CRD: Final = TESTS.parent / "config" / "crd" / "llmd.ai_variantautoscalings.yaml"
sys.path.insert(0, str(TESTS))

from unit.collector import worlds

MODEL: Final = "Qwen/Qwen3-0.6B"
NAMESPACES: Final = 20
SCRAPE_SECONDS: Final = 15
BEGIN: Final = int(time.time()) - 86_400
PER_SECOND: Final = {
    "request_success_total": 0.2,
    "num_requests_running": 0.0,
    "num_requests_waiting": 0.0,
    "request_prompt_tokens_sum": 20.0,
    "request_prompt_tokens_count": 0.2,
    "request_generation_tokens_sum": 40.0,
    "request_generation_tokens_count": 0.2,
    "request_queue_time_seconds_sum": 0.01,
    "request_queue_time_seconds_count": 0.2,
    "time_to_first_token_seconds_sum": 0.05,
    "time_to_first_token_seconds_count": 0.2,
    "inter_token_latency_seconds_sum": 0.8,
    "inter_token_latency_seconds_count": 40.0,
}


class Size(NamedTuple):
    """How large the cluster is."""

    variants: int
    nodes: int
    pods: int

    def owner(self, pod: int) -> tuple[str, str]:
        """Namespace and name of the variant that a pod serves."""
        number = pod % self.variants
        return f"team-{number % NAMESPACES}", f"variant-{number:04}"

    def pod_name(self, pod: int) -> str:
        """Name of a pod."""
        return f"{self.owner(pod)[1]}-5d9-{pod:05}"


def objects(size: Size, prometheus: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(collection's plural, namespace, object) of everything in the cluster."""
    yield "customresourcedefinitions", "", yaml.safe_load(CRD.read_text())
    yield "namespaces", "", {"metadata": {"name": worlds.NAMESPACE}}
    for number in range(NAMESPACES):
        yield "namespaces", "", {"metadata": {"name": f"team-{number}"}}
    for number in range(size.nodes):
        yield "nodes", "", worlds.a_node_json(f"node-{number:04}", allocatable={"nvidia.com/gpu": "16"})
    for number in range(size.variants):
        namespace, name = size.owner(number)
        replicas = size.pods // size.variants
        yield "variantautoscalings", namespace, worlds.a_variant_json(name, namespace=namespace)
        yield "deployments", namespace, worlds.a_deployment_json(name, namespace=namespace, replicas=replicas)
    for number in range(size.pods):
        namespace, name = size.owner(number)
        pod = worlds.a_pod_json(
            size.pod_name(number),
            namespace=namespace,
            deployment=name,
            node=f"node-{number % size.nodes:04}",
            ip=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
            created_at=time.time() - 3600,
            ready_at=time.time() - 3500,
        )
        yield "pods", namespace, pod
    # Nothing happens by itself while something is measured.
    configuration = {"PROMETHEUS_BASE_URL": prometheus, "GLOBAL_OPT_INTERVAL": "1h"}
    for name, data in (
        ("accelerator-unit-costs", worlds.COSTS),
        ("service-classes-config", worlds.CLASSES),
        ("inferno-autoscaler-variantautoscaling-config", configuration),
    ):
        yield "configmaps", worlds.NAMESPACE, worlds.a_config_map_json(name, data)


def fill(api: ApiServer, size: Size, prometheus: str) -> None:
    """Put everything into the cluster, as its own writer: nothing is validated twice."""
    for plural, namespace, found in objects(size, prometheus):
        resource = next(resource for resource in api.registry if resource.plural == plural)
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **found}
        body["metadata"].pop("resourceVersion", None)
        api.resources.create(resource, namespace, body, WriteOptions(trusted=True))


def prometheus_app(size: Size) -> Starlette:
    """Answers api/v1/query."""

    async def query(request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        text, now = form["query"][0], float(form["time"][0])
        names = re.compile(text.partition('__name__=~"')[2].partition('"')[0])
        seconds = int(text.rpartition("[")[2].removesuffix("s]"))
        return Response(b"".join(series(size, names, seconds, now)), media_type="application/json")

    return Starlette(routes=[Route("/api/v1/query", query, methods=["POST"])])


def series(size: Size, names: re.Pattern[str], seconds: int, now: float) -> Iterator[bytes]:
    """The answer in pieces, one per pod and name."""
    yield b'{"status":"success","data":{"resultType":"matrix","result":['
    labels = [labels_of(size, pod) for pod in range(size.pods)]
    separator = ""
    for name, slope in sorted(PER_SECOND.items()):
        if not names.fullmatch(f"vllm:{name}"):
            continue
        values = [samples(slope, offset, seconds, now) for offset in range(SCRAPE_SECONDS)]
        for pod in range(size.pods):
            text = f'{separator}{{"metric":{{"__name__":"vllm:{name}",{labels[pod]},"values":'
            yield (text + values[pod % SCRAPE_SECONDS] + "}").encode()
            separator = ","
    yield b"]}}"


def labels_of(size: Size, pod: int) -> str:
    """The labels of a pod's series after the name, with the brace that ends them."""
    return compact(
        {
            "model_name": MODEL,
            "namespace": size.owner(pod)[0],
            "pod": size.pod_name(pod),
            "instance": f"10.{pod >> 16}.{pod >> 8 & 255}.{pod & 255}:8200",
            "job": "vllm-service",
            "service": "vllm-service",
            "endpoint": "vllm",
            "container": "vllm",
            "engine": "0",
            "prometheus": "openshift-user-workload-monitoring/user-workload",
        }
    ).removeprefix("{")


def samples(slope: float, offset: int, seconds: int, now: float) -> str:
    """The samples of the pods that are scraped `offset` seconds after each full interval."""
    last = int((now - offset) // SCRAPE_SECONDS) * SCRAPE_SECONDS + offset
    times = range(last, int(now - seconds), -SCRAPE_SECONDS)
    return compact([[at + 0.25, f"{slope * (at - BEGIN):.4f}"] for at in reversed(times)])


def compact(value: object) -> str:
    """JSON as Prometheus writes it."""
    return json.dumps(value, separators=(",", ":"))


async def main() -> None:
    """Serve until standard input ends."""
    size = Size(*map(int, sys.argv[1:4]))
    with listen() as listener:
        server = uvicorn.Server(uvicorn.Config(prometheus_app(size), log_level="warning"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with running_api() as cluster:
            fill(cluster.api, size, url_of(listener))
            print(json.dumps({"kubeconfig": str(cluster.kubeconfig)}), flush=True)
            await asyncio.to_thread(sys.stdin.read)
        server.should_exit = True
        await serving


if __name__ == "__main__":
    asyncio.run(main())
