"""Speed and memory of a snapshot from warm caches, and of the ways that load comes in.

    .venv/bin/python tests/bench/bench_snapshot.py [--quick]

The goal: 1,000 variants, 500 nodes and 5,000 pods within 1 s and 300 MB of resident memory. Parsing an
exposition is shown beside prometheus_client's own parser, and matching pods to Deployments beside trying
every selector, in the same run.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from inferno_collector.catalogue import Catalogue, read_catalogue
from inferno_collector.configuration import Configuration
from inferno_collector.exposition import parse_exposition
from inferno_collector.loads import measure_loads
from inferno_collector.roster import Roster, update_roster
from inferno_collector.samples import GrowingHistory, PodKey
from inferno_collector.settings import CollectorSettings
from inferno_collector.snapshot import World, assemble, servers, serving_pods
from inferno_collector.sources import LoadReading
from inferno_collector.sources.matrix import read_series
from inferno_collector.sources.series import place_series
from inferno_collector.variants import resolve_variants
from inferno_collector.view import ClusterView
from inferno_collector.workloads import ScaledWorkload, parse_workload
from inferno_shared.kubernetes import (
    Pod,
    parse_node,
    parse_pod,
    parse_variant_autoscaling,
)

TESTS: Final = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from unit.collector import worlds

MODEL: Final = "Qwen/Qwen3-0.6B"
NAMESPACES: Final = 20
SCRAPE_SECONDS: Final = 5
POLICY: Final = CollectorSettings(load_source="scrape").demand_policy()
WINDOW_SECONDS: Final = int(POLICY.window_seconds)
MIB: Final = 2**20

T = TypeVar("T")


class Seconds(NamedTuple):
    """Time on the wall and of the processor; they differ on a machine that does other things too."""

    wall: float
    cpu: float

    def times(self, factor: float) -> "Seconds":
        """As if the work were done `factor` times."""
        return Seconds(self.wall * factor, self.cpu * factor)


@dataclass(frozen=True)
class Size:
    """How large the cluster is."""

    variants: int
    nodes: int
    pods: int


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    scale = 10 if parser.parse_args().quick else 1
    size = Size(1_000 // scale, 500 // scale, 5_000 // scale)
    console = Console()
    before_mib = resident_mib()
    view = a_large_view(size)
    histories = histories_in_memory(view)
    console.print(snapshot_table(view, histories, size))
    console.print(
        f"resident memory: {resident_mib():.0f} MiB with caches and window, "
        f"{before_mib:.0f} MiB before (interpreter and libraries); goal 300"
    )
    console.print(ways_in_table(view, size))


def snapshot_table(
    view: ClusterView, histories: Mapping[PodKey, Mapping[str, GrowingHistory]], size: Size
) -> Table:
    """The stages of one snapshot; the second one finds everything as the first one left it."""
    table = Table(
        "stage",
        "seconds",
        "processor, seconds",
        title=f"snapshot of {size.variants:,} variants, {size.nodes:,} nodes, {size.pods:,} pods; goal 1 s",
    )
    catalogue = read_catalogue(worlds.COSTS, worlds.CLASSES, Catalogue())
    now = float(WINDOW_SECONDS)

    resolution, resolve_seconds = timed(lambda: resolve_variants(view, catalogue))
    world = World(view, catalogue, Configuration(), resolution)
    serving, serving_seconds = timed(lambda: list(serving_pods(world, 8000)))
    roster, roster_seconds = timed(lambda: update_roster({}, serving, now=now, keep_seconds=90))
    reading, reading_seconds = timed(lambda: reading_of(histories))
    loads, load_seconds = timed(
        lambda: measure_loads(servers(resolution, roster), reading, now=now, policy=POLICY, remembered={})
    )
    snapshot, assemble_seconds = timed(lambda: assemble(world, loads, [], now=now))
    body, json_seconds = timed(snapshot.model_dump_json)
    stages = {
        "resolve variants, classes, pods (after a change only)": resolve_seconds,
        "find each pod's port and address (after a change only)": serving_seconds,
        "roster": roster_seconds,
        "copy the window": reading_seconds,
        "loads": load_seconds,
        "inventory, contract, id": assemble_seconds,
        f"JSON ({len(body) / MIB:.1f} MiB)": json_seconds,
    }
    for stage, seconds in stages.items():
        table.add_row(stage, f"{seconds.wall:.3f}", f"{seconds.cpu:.3f}")
    table.add_section()
    whole = Seconds(*map(sum, zip(*stages.values(), strict=True)))
    table.add_row("all", f"{whole.wall:.3f}", f"{whole.cpu:.3f}")
    observed = sum(variant.load.state == "observed" for variant in snapshot.variants)
    if observed != size.variants or snapshot.problems:
        raise SystemExit(f"{observed} loads observed, {len(snapshot.problems)} problems: not what was built")
    return table


def ways_in_table(view: ClusterView, size: Size) -> Table:
    """What it costs to read load, each beside its alternative."""
    table = Table("way in", "processor, seconds", "alternative, seconds", "the alternative")
    text = an_exposition()
    ours = timed(lambda: [parse_exposition(text) for _ in range(100)])[1].times(10)
    theirs = timed(lambda: [list(text_string_to_metric_families(text.decode())) for _ in range(5)])[1].times(
        200
    )
    lines = text.count(b"\n")
    table.add_row(
        f"1,000 expositions of {lines:,} lines",
        f"{ours.cpu:.2f}",
        f"{theirs.cpu:.2f}",
        "prometheus_client's parser",
    )
    sample = 20
    pods, deployments = list(view.pods.values()), list(view.workloads.values())
    every = timed(lambda: match_every(pods[:: size.pods // sample], deployments))[1].times(size.pods / sample)
    catalogue = worlds.the_catalogue()
    indexed = timed(lambda: resolve_variants(view, catalogue))[1]
    table.add_row(
        "pods to variants", f"{indexed.cpu:.2f}", f"{every.cpu:.2f}", "every selector tried (scaled)"
    )
    series = read_series(prometheus_series(size.pods // 5))
    roster: Roster = {}
    placed = timed(lambda: place_series(series, roster))[1].times(5)
    table.add_row(f"series of {size.pods:,} pods (scaled)", f"{placed.cpu:.2f}", "", "")
    return table


def match_every(pods: list[Pod], deployments: list[ScaledWorkload]) -> int:
    """The plain way: each selector is tried on each pod."""
    return sum(
        deployment.metadata.namespace == pod.metadata.namespace
        and deployment.selector.matches(pod.metadata.labels)
        for pod in pods
        for deployment in deployments
    )


def a_large_view(size: Size) -> ClusterView:
    """Variants over some namespaces, their pods over the nodes; each parsed from JSON as in a cache."""
    variants, deployments, pods, nodes = {}, {}, {}, {}
    for number in range(size.nodes):
        node = parse_node(worlds.a_node_json(f"node-{number:04}", allocatable={"nvidia.com/gpu": "16"}))
        nodes[node.metadata.key] = node
    for number in range(size.variants):
        name, namespace = f"variant-{number:04}", f"team-{number % NAMESPACES}"
        variant = parse_variant_autoscaling(worlds.a_variant_json(name, namespace=namespace))
        variants[variant.metadata.key] = variant
        deployment = parse_workload(
            worlds.a_deployment_json(name, namespace=namespace, replicas=size.pods // size.variants)
        )
        deployments[deployment.key] = deployment
    for number in range(size.pods):
        owner = number % size.variants
        pod = parse_pod(
            worlds.a_pod_json(
                f"variant-{owner:04}-5d9-{number:05}",
                namespace=f"team-{owner % NAMESPACES}",
                deployment=f"variant-{owner:04}",
                node=f"node-{number % size.nodes:04}",
                ip=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
                created_at=-3600,
                ready_at=-3500,
            )
        )
        pods[pod.metadata.key] = pod
    return ClusterView(nodes=nodes, pods=pods, workloads=deployments, variants=variants)


def histories_in_memory(view: ClusterView) -> dict[PodKey, dict[str, GrowingHistory]]:
    """A window of scrapes for each pod: 12 requests/min."""
    found = {}
    for key in view.pods:
        history = GrowingHistory()
        for at in range(0, WINDOW_SECONDS + 1, SCRAPE_SECONDS):
            done = at / 5
            history.append(
                at, (done, 100 * done, done, 200 * done, done, *(done,) * 4, done * 2, 200 * done, 1, 0)
            )
        found[key] = {MODEL: history}
    return found


def reading_of(histories: Mapping[PodKey, Mapping[str, GrowingHistory]]) -> LoadReading:
    """What the scraping source answers."""
    return LoadReading(
        "scrape",
        by_pod={
            pod: {model: (history.frozen(),) for model, history in models.items()}
            for pod, models in histories.items()
        },
    )


def an_exposition() -> bytes:
    """As long as that of a vLLM pod."""
    registry = CollectorRegistry()
    labels = ["engine", "model_name"]
    for name in ("time_to_first_token_seconds", "inter_token_latency_seconds", "request_queue_time_seconds"):
        _histogram(name, registry)
    for name in ("request_prompt_tokens", "request_generation_tokens", *(f"other_{n}" for n in range(10))):
        _histogram(name, registry)
    for name in ("running", "waiting"):
        Gauge(f"vllm:num_requests_{name}", "x", labels, registry=registry).labels("0", MODEL).set(1)
    Counter("vllm:request_success", "x", labels, registry=registry).labels("0", MODEL).inc()
    for number in range(40):
        Histogram(f"python_{number}", "x", registry=registry).observe(1)
    return generate_latest(registry)


def _histogram(name: str, registry: CollectorRegistry) -> None:
    buckets = [float(bound) for bound in range(1, 40)]
    histogram = Histogram(f"vllm:{name}", "x", ["engine", "model_name"], registry=registry, buckets=buckets)
    histogram.labels("0", MODEL).observe(3)


def prometheus_series(pods: int) -> list[dict[str, Any]]:
    """The API's series objects of a window scraped each 15 s."""
    names = [
        *("request_success_total", "num_requests_running", "num_requests_waiting"),
        *(f"request_{kind}_tokens_{part}" for kind in ("prompt", "generation") for part in ("sum", "count")),
        *(
            f"{family}_seconds_{part}"
            for family in ("request_queue_time", "time_to_first_token", "inter_token_latency")
            for part in ("sum", "count")
        ),
    ]
    return [
        {
            "metric": {
                "__name__": f"vllm:{name}",
                "model_name": MODEL,
                "namespace": "team",
                "pod": f"p-{pod}",
                "instance": f"10.0.{pod >> 8}.{pod & 255}:8200",
                "job": "vllm",
                "engine": "0",
            },
            "values": [[15 * n, str(n)] for n in range(8)],
        }
        for pod in range(pods)
        for name in names
    ]


def timed(work: Callable[[], T]) -> tuple[T, Seconds]:
    """The result of `work` and the time that it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def resident_mib() -> float:
    """Resident memory of this process."""
    return psutil.Process().memory_info().rss / MIB


if __name__ == "__main__":
    main()
