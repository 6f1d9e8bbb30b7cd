"""What goes wrong around the collector, one fault at a time: unknown never becomes 0, others are not hurt.

Two variants with a pod each, 30 requests/min each. A fault hits the first one, or all of them; it is named by
a problem, and when it ends everything is as before.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

import httpx
import pytest
from prometheus_client import CollectorRegistry

from builders import SEED_MODEL, SEED_NAME, SEED_NAMESPACE
from inferno_collector.cluster import Cluster
from inferno_collector.collector import Collector, WorldKeeper
from inferno_collector.gauges import CollectorGauges
from inferno_collector.settings import CollectorSettings
from inferno_collector.sources.admission import Limits
from inferno_collector.sources.prometheus import PrometheusSource
from inferno_collector.sources.prometheus_api import PrometheusApi
from inferno_collector.sources.queries import QueryOptions
from inferno_shared.contracts import LoadState, Snapshot
from inferno_shared.kubernetes import CONFIG_MAPS, DEPLOYMENTS, NODES, PODS, VARIANT_AUTOSCALINGS
from unit.collector.cluster_api import ClusterApi
from unit.collector.waiting import eventually
from unit.collector.worlds import (
    CLASSES,
    COSTS,
    a_config_map_json,
    a_deployment_json,
    a_node_json,
    a_pod_json,
    a_variant_json,
)
from unit.shared.waiting import until

NOW: Final = 1_000_000.0
OTHER: Final = "other"
PER_SECOND: Final = {
    "request_success_total": 0.5,
    "num_requests_running": 0,
    "num_requests_waiting": 0,
    "request_prompt_tokens_sum": 50,
    "request_prompt_tokens_count": 0.5,
    "request_generation_tokens_sum": 100,
    "request_generation_tokens_count": 0.5,
}

Entries = list[dict[str, Any]]
Distortion = Callable[[Entries], Entries]


def series_of(pod: str, model: str = SEED_MODEL) -> Entries:
    return [
        {
            "metric": {
                "__name__": f"vllm:{name}",
                "model_name": model,
                "namespace": SEED_NAMESPACE,
                "pod": pod,
                "instance": f"{pod}:8200",
            },
            "values": [[NOW - 300 + 15 * n, str(slope * 15 * n)] for n in range(21)],
        }
        for name, slope in PER_SECOND.items()
    ]


@dataclass
class World:
    """The cluster, and a Prometheus that distorts the first variant's series or answers something else."""

    cluster: ClusterApi = field(default_factory=ClusterApi)
    distort: Distortion | None = None
    respond: Callable[[], httpx.Response] | None = None
    hanging: bool = False
    seconds_ahead: float = 0.0

    def __post_init__(self) -> None:
        self.cluster.configure(PROMETHEUS_BASE_URL="https://thanos:9091")
        self.cluster.objects[VARIANT_AUTOSCALINGS.plural].append(a_variant_json(OTHER))
        self.cluster.objects[DEPLOYMENTS.plural].append(a_deployment_json(OTHER))
        self.cluster.objects[PODS.plural] = [
            a_pod_json("p-0"),
            a_pod_json("q-0", deployment=OTHER, ip="10.0.0.2"),
        ]

    async def prometheus(self, request: httpx.Request) -> httpx.Response:
        if self.hanging:
            await asyncio.Event().wait()
        if self.respond is not None:
            return self.respond()
        names = "success_total", "_tokens_", "inter_token_latency"
        asked = next(name for name in names if name in request.content.decode().replace("%28", "("))
        distort = self.distort or (lambda entries: entries)
        entries = distort(series_of("p-0")) + series_of("q-0")
        wanted = [e for e in entries if ("_tokens_" in e["metric"]["__name__"]) == (asked == "_tokens_")]
        found = [] if asked == "inter_token_latency" else wanted
        date = format_datetime(datetime.fromtimestamp(NOW + self.seconds_ahead, UTC), usegmt=True)
        body = {"data": {"resultType": "matrix", "result": found}}
        return httpx.Response(200, json=body, headers={"date": date})


class Reader:
    """Takes snapshots."""

    def __init__(self, collector: Collector) -> None:
        self.snapshot = collector.snapshot

    async def until(self, fulfilled: Callable[[Snapshot], bool]) -> Snapshot:
        found: list[Snapshot] = []

        async def is_fulfilled() -> bool:
            found[:] = [await self.snapshot()]
            return fulfilled(found[0])

        await eventually(is_fulfilled, seconds=10)
        return found[0]


@asynccontextmanager
async def running(world: World) -> AsyncIterator[Reader]:
    settings = CollectorSettings()
    api = PrometheusApi(Limits(timeout_seconds=0.2), httpx.MockTransport(world.prometheus))
    async with world.cluster.connect() as client:
        cluster = Cluster(client, namespace=settings.namespace)
        following = asyncio.create_task(cluster.run())
        await until(lambda: not cluster.not_synced())
        keeper = WorldKeeper(cluster, settings, lambda: NOW)
        source = PrometheusSource(
            api, keeper.prometheus_address, keeper.namespaces, QueryOptions(range_seconds=360)
        )
        gauges = CollectorGauges(CollectorRegistry(), source.name)
        yield Reader(Collector(keeper, cluster, source, settings, gauges, lambda: NOW))
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    await api.close()


def rate(snapshot: Snapshot, name: str) -> float | None:
    """Requests per minute; None when unknown."""
    [load] = [variant.load for variant in snapshot.variants if variant.name == name]
    assert load.state is not LoadState.IDLE
    assert (load.state is LoadState.UNKNOWN) == (load.arrival_rate_rpm is None)
    return load.arrival_rate_rpm


def reasons(snapshot: Snapshot) -> set[str]:
    return {problem.reason for problem in snapshot.problems}


def each(change: Callable[[dict[str, Any]], object]) -> Distortion:
    """A distortion of every series on its own."""

    def distort(entries: Entries) -> Entries:
        for entry in entries:
            change(entry)
        return entries

    return distort


def values(change: Callable[[float, str], tuple[float, str]]) -> Distortion:
    return each(lambda entry: entry.update(values=[list(change(*pair)) for pair in entry["values"]]))


def labels(**changed: str) -> Distortion:
    return each(lambda entry: entry["metric"].update(changed))


UNKNOWN_LOADS: Final[list[tuple[str, Distortion, str]]] = [
    ("its series are gone", lambda _: [], "MetricsMissing"),
    ("NaN", values(lambda at, _: (at, "NaN")), "MetricsMissing"),
    ("infinite", values(lambda at, _: (at, "+Inf")), "MetricsMissing"),
    ("negative", values(lambda at, value: (at, f"-{value}1")), "MetricsMissing"),
    ("no numbers", values(lambda at, _: (at, "lots")), "MetricsMissing"),
    ("five minutes old", values(lambda at, value: (at - 300, value)), "MetricsStale"),
    ("one sample", each(lambda entry: entry.update(values=entry["values"][-1:])), "MetricsMissing"),
    ("no samples", each(lambda entry: entry.update(values=[])), "MetricsMissing"),
    ("another model's name", labels(model_name="qwen3"), "MetricsMissing"),
    ("another namespace", labels(namespace="elsewhere"), "MetricsMissing"),
    ("another pod's name", labels(pod="p-9", instance="p-9:1"), "MetricsMissing"),
    (
        "no counters of tokens",
        lambda entries: [e for e in entries if "tokens" not in e["metric"]["__name__"]],
        "MetricsMissing",
    ),
    (
        "only latencies",
        lambda entries: [e | {"metric": e["metric"] | {"__name__": "vllm:unknown_total"}} for e in entries],
        "MetricsMissing",
    ),
]


@pytest.mark.parametrize(
    ("distort", "reason"), [f[1:] for f in UNKNOWN_LOADS], ids=[f[0] for f in UNKNOWN_LOADS]
)
async def test_series_that_say_nothing_make_one_load_unknown_and_no_other(
    distort: Distortion, reason: str
) -> None:
    world = World()
    async with running(world) as reader:
        world.distort = distort
        snapshot = await reader.snapshot()
        assert rate(snapshot, SEED_NAME) is None
        assert rate(snapshot, OTHER) == pytest.approx(30)
        assert reasons(snapshot) == {reason}
        assert [p.subject for p in snapshot.problems] == [f"VariantAutoscaling {SEED_NAMESPACE}/{SEED_NAME}"]
        world.distort = None
        assert rate(await reader.snapshot(), SEED_NAME) == pytest.approx(30)


def restarted(entries: Entries) -> Entries:
    """Counters that begin anew 150 s before the end."""
    for entry in entries:
        begin = float(entry["values"][10][1])
        entry["values"] = [
            [at, value if n < 11 else str(float(value) - begin)]
            for n, (at, value) in enumerate(entry["values"])
        ]
    return entries


KNOWN_LOADS: Final[list[tuple[str, Distortion]]] = [
    ("a counter that is reset", restarted),
    (
        "every series twice, by two replicas",
        lambda entries: (
            entries + [e | {"metric": e["metric"] | {"prometheus_replica": "b"}} for e in entries]
        ),
    ),
    (
        "every series twice, by two monitors",
        lambda entries: entries + [e | {"metric": e["metric"] | {"job": "again"}} for e in entries],
    ),
    ("a late scrape", each(lambda entry: entry["values"].pop(7))),
    ("the newest scrape is late", each(lambda entry: entry["values"].pop())),
    ("no pod label, but the address", labels(pod="", instance="10.0.0.1:8200")),
    ("exported labels", labels(exported_pod="p-0", exported_namespace=SEED_NAMESPACE, pod="federator")),
    (
        "one NaN among numbers",
        lambda entries: [
            e | {"values": [[at, "NaN" if n == 9 else value] for n, (at, value) in enumerate(e["values"])]}
            for e in entries
        ],
    ),
]


@pytest.mark.parametrize("distort", [f[1] for f in KNOWN_LOADS], ids=[f[0] for f in KNOWN_LOADS])
async def test_series_that_are_only_odd_are_read_right(distort: Distortion) -> None:
    world = World(distort=distort)
    async with running(world) as reader:
        snapshot = await reader.snapshot()
    assert rate(snapshot, SEED_NAME) == pytest.approx(30, rel=0.08)
    assert rate(snapshot, OTHER) == pytest.approx(30)


def an_answer(status: int = 200, **content: Any) -> Callable[[], httpx.Response]:  # noqa: ANN401 - httpx's own
    return lambda: httpx.Response(status, **content)


def refuse() -> httpx.Response:
    raise httpx.ConnectError("connection refused")


FAILURES: Final[list[tuple[str, Callable[[], httpx.Response]]]] = [
    ("down", refuse),
    ("500", an_answer(500)),
    ("503", an_answer(503)),
    ("429", an_answer(429)),
    ("expired token", an_answer(401)),
    ("no right", an_answer(403)),
    ("wrong path", an_answer(404)),
    ("log in page", an_answer(html="<html>Log in</html>")),
    ("truncated", an_answer(content=b'{"status":"success","data":{"resultType":"matrix","result":[{"met')),
    ("a vector", an_answer(json={"data": {"resultType": "vector", "result": []}})),
    ("compressed", an_answer(content=b"x", headers={"content-encoding": "br"})),
]


@pytest.mark.parametrize("respond", [f[1] for f in FAILURES], ids=[f[0] for f in FAILURES])
async def test_a_prometheus_that_fails_makes_loads_unknown_and_nothing_else(
    respond: Callable[[], httpx.Response],
) -> None:
    world = World(respond=respond)
    async with running(world) as reader:
        snapshot = await reader.snapshot()
        assert [rate(snapshot, name) for name in (SEED_NAME, OTHER)] == [None, None]
        assert reasons(snapshot) == {"PrometheusError"}
        assert snapshot.inventory[0].allocatable == 8
        world.respond = None
        assert rate(await reader.snapshot(), SEED_NAME) == pytest.approx(30)


async def test_a_prometheus_that_hangs_is_given_up_in_time() -> None:
    world = World(hanging=True)
    async with running(world) as reader:
        snapshot = await asyncio.wait_for(reader.snapshot(), 5)
        assert rate(snapshot, SEED_NAME) is None
        assert reasons(snapshot) == {"PrometheusError"}
        world.hanging = False
        assert rate(await reader.snapshot(), SEED_NAME) == pytest.approx(30)


async def test_a_prometheus_without_any_series_makes_loads_unknown() -> None:
    world = World(respond=an_answer(json={"data": {"resultType": "matrix", "result": []}}))
    async with running(world) as reader:
        snapshot = await reader.snapshot()
    assert [rate(snapshot, name) for name in (SEED_NAME, OTHER)] == [None, None]
    assert reasons(snapshot) == {"MetricsMissing"}


def break_config(name: str, data: dict[str, str]) -> Callable[[ClusterApi], None]:
    return lambda cluster: cluster.put(CONFIG_MAPS, a_config_map_json(name, data))


def absurd(**spec: Any) -> Callable[[ClusterApi], None]:  # noqa: ANN401 - whatever someone writes
    return lambda cluster: cluster.put(VARIANT_AUTOSCALINGS, a_variant_json(**spec))


CLUSTER_FAULTS: Final[list[tuple[str, Callable[[ClusterApi], None], str, bool]]] = [
    ("the watches are cut", ClusterApi.cut_watches, "WatchLost", True),
    ("costs emptied", break_config("accelerator-unit-costs", {}), "ConfigMapMissing", True),
    ("classes emptied", break_config("service-classes-config", {}), "ConfigMapMissing", True),
    (
        "a cost that is none",
        break_config("accelerator-unit-costs", COSTS | {"H100": "dear"}),
        "InvalidConfiguration",
        True,
    ),
    (
        "a class that is none",
        break_config("service-classes-config", CLASSES | {"premium.yaml": "["}),
        "InvalidConfiguration",
        True,
    ),
    (
        "an address that is none",
        lambda cluster: cluster.configure(PROMETHEUS_BASE_URL="thanos"),
        "InvalidConfiguration",
        True,
    ),
    ("a model that is none", absurd(modelID=7), "InvalidConfiguration", False),
    ("less than no replicas", absurd(minReplicas=-1), "InvalidConfiguration", False),
    ("a billion replicas", absurd(minReplicas=10**9), "InvalidConfiguration", False),
    ("no profile", absurd(modelProfile={"accelerators": []}), "InvalidConfiguration", False),
    ("a model of no class", absurd(modelID="nobody/knows"), "InvalidConfiguration", False),
    ("a target that is not there", absurd(scaleTargetRef={"name": "gone"}), "TargetNotFound", False),
    ("another's target", absurd(scaleTargetRef={"name": OTHER}), "InvalidConfiguration", False),
    (
        "a node that is lost",
        lambda cluster: cluster.put(NODES, a_node_json(ready=False)),
        "NodeNotReady",
        True,
    ),
    (
        "a node that is nonsense",
        lambda cluster: cluster.put(NODES, a_node_json("n2") | {"spec": []}),
        "InvalidObject",
        True,
    ),
    (
        "a pod that is nonsense",
        lambda cluster: cluster.put(PODS, a_pod_json("odd") | {"status": 7}),
        "InvalidObject",
        True,
    ),
]


@pytest.mark.parametrize(
    ("fault", "reason", "stays"), [f[1:] for f in CLUSTER_FAULTS], ids=[f[0] for f in CLUSTER_FAULTS]
)
async def test_a_fault_in_the_cluster_is_named_costs_no_other_variant_and_passes(
    fault: Callable[[ClusterApi], None],
    reason: str,
    stays: bool,  # noqa: FBT001 - a column of the table
) -> None:
    world = World()
    before = deepcopy(world.cluster.objects)
    async with running(world) as reader:
        await reader.snapshot()
        fault(world.cluster)
        snapshot = await reader.until(lambda s: reason in reasons(s))
        world.cluster.mend()
        world.cluster.restore(before)
        after = await reader.until(lambda s: not s.problems)
    assert {variant.name for variant in after.variants} == {SEED_NAME, OTHER}
    names = {variant.name for variant in snapshot.variants}
    assert names == ({SEED_NAME, OTHER} if stays else {OTHER})
    assert [rate(snapshot, name) for name in names] == pytest.approx([30] * len(names))


@pytest.mark.parametrize("status", [None, 401, 429, 500], ids=lambda s: str(s or "no connection"))
async def test_an_api_server_that_refuses_is_named_and_caught_up_with_afterwards(status: int | None) -> None:
    """What is known stays in force meanwhile, and what changed meanwhile is known in the end."""
    world = World()
    async with running(world) as reader:
        await reader.snapshot()
        world.cluster.cut_watches(status)
        world.cluster.put(NODES, a_node_json("meanwhile"))
        said = "connection refused" if status is None else f"(HTTP {status})"
        snapshot = await reader.until(lambda s: any(said in problem.message for problem in s.problems))
        assert reasons(snapshot) == {"WatchLost"}
        assert [rate(snapshot, name) for name in (SEED_NAME, OTHER)] == pytest.approx([30, 30])
        assert len(snapshot.inventory) == 1
        world.cluster.mend()
        after = await reader.until(lambda s: "WatchLost" not in reasons(s) and len(s.inventory) == 2)
        assert {variant.name for variant in after.variants} == {SEED_NAME, OTHER}


async def test_a_watch_that_is_too_old_lists_again_and_loses_nothing() -> None:
    world = World()
    async with running(world) as reader:
        await reader.snapshot()
        world.cluster.expire()
        world.cluster.put(NODES, a_node_json("meanwhile"))
        after = await reader.until(lambda s: len(s.inventory) == 2)
        assert {variant.name for variant in after.variants} == {SEED_NAME, OTHER}


async def test_a_node_that_is_lost_with_pods_on_it_is_lost_only_when_they_are_known_to_be_dead() -> None:
    world = World()
    async with running(world) as reader:
        world.cluster.put(NODES, a_node_json(ready=False))
        uncertain = await reader.until(lambda s: "NodeNotReady" in reasons(s))
        assert uncertain.inventory[0].allocatable == 2
        world.cluster.put(PODS, a_pod_json("p-0", ready_at=None))
        world.cluster.put(PODS, a_pod_json("q-0", deployment=OTHER, ip="10.0.0.2", ready_at=None))
        lost = await reader.until(lambda s: s.inventory[0].allocatable == 0)
        assert [variant.current.ready_replicas for variant in lost.variants] == [0, 0]
        assert [variant.current.replicas for variant in lost.variants] == [1, 1]
        world.cluster.put(NODES, a_node_json())
        world.cluster.put(PODS, a_pod_json("p-0"))
        back = await reader.until(lambda s: s.inventory[0].allocatable == 8)
        assert "NodeNotReady" not in reasons(back)


async def test_config_maps_that_are_deleted_leave_the_last_good_values_until_they_are_back() -> None:
    world = World()
    async with running(world) as reader:
        before = await reader.snapshot()
        for name in ("accelerator-unit-costs", "service-classes-config"):
            world.cluster.take(CONFIG_MAPS, name)
        without = await reader.until(lambda s: "ConfigMapMissing" in reasons(s))
        assert without.accelerators == before.accelerators
        assert without.service_classes == before.service_classes
        assert [rate(without, name) for name in (SEED_NAME, OTHER)] == pytest.approx([30, 30])
        world.cluster.put(CONFIG_MAPS, a_config_map_json("accelerator-unit-costs", COSTS))
        world.cluster.put(CONFIG_MAPS, a_config_map_json("service-classes-config", CLASSES))
        assert reasons(await reader.until(lambda s: not s.problems)) == set()


async def test_half_of_the_pods_missing_is_not_half_of_the_load() -> None:
    """Two of a variant's pods, of which Prometheus knows one: the other is taken to do as much."""
    world = World()
    world.cluster.objects[PODS.plural].append(a_pod_json("p-1", ip="10.0.0.3"))
    async with running(world) as reader:
        snapshot = await reader.snapshot()
        assert rate(snapshot, SEED_NAME) == pytest.approx(60)
        [message] = [v.load.message for v in snapshot.variants if v.name == SEED_NAME]
        assert "1 of 2 pods taken as the others' mean" in (message or "")
        world.cluster.put(PODS, a_pod_json("p-2", ip="10.0.0.4"))
        fewer = await reader.until(lambda s: rate(s, SEED_NAME) is None)
        assert reasons(fewer) == {"MetricsStale"}
        assert rate(fewer, OTHER) == pytest.approx(30)


async def test_clocks_that_differ_are_named_and_cost_nothing_while_the_samples_are_fresh() -> None:
    world = World(seconds_ahead=-40)
    async with running(world) as reader:
        snapshot = await reader.snapshot()
    assert rate(snapshot, SEED_NAME) == pytest.approx(30)
    assert "our clock and Prometheus' differ by 40 s" in snapshot.problems[0].message
    assert reasons(snapshot) == {"ClockSkew"}
