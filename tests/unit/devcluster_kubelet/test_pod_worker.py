"""A pod's life against the API, with servers that live in the test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devcluster.apiserver import running_api
from devcluster.controllers.run import utc_now
from devcluster.kubelet.addresses import LoopbackAddresses
from devcluster.kubelet.lifecycle import LifecyclePolicy
from devcluster.kubelet.logs import ContainerLog, LogOptions
from devcluster.kubelet.outside import LOG_FILE_ANNOTATION
from devcluster.kubelet.pod_worker import NodeRuntime, PodWorker
from devcluster.kubelet.pods import parse_scheduled_pod
from devcluster.kubelet.processes import Launch, ServerProcess
from inferno_shared.errors import NotFoundError
from inferno_shared.kubernetes import EVENTS, NAMESPACES, PODS, EventRecorder, KubernetesClient
from unit.devcluster_kubelet.kubelet_world import a_raw_pod

LIMIT_SECONDS = 5
QUICK = LifecyclePolicy(
    first_probe_seconds=0, starting_probe_seconds=0.02, ready_probe_seconds=0.02, backoff_seconds=60
)


class FakeProcess:
    def __init__(self, *, obeys: bool) -> None:
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.signals: list[str] = []
        self._obeys = obeys

    async def wait(self) -> int:
        return await asyncio.shield(self.ended)

    def terminate(self) -> None:
        self.signals.append("TERM")
        if self._obeys:
            self.end(0)

    def kill(self) -> None:
        self.signals.append("KILL")
        self.end(137)

    def end(self, code: int) -> None:
        if not self.ended.done():
            self.ended.set_result(code)


@dataclass
class FakeRunner:
    obeys: bool = True
    healthy: bool = True
    launches: list[Launch] = field(default_factory=list)
    processes: list[FakeProcess] = field(default_factory=list)

    async def start(self, launch: Launch, log: ContainerLog) -> ServerProcess:
        log.append("started", utc_now())
        self.launches.append(launch)
        self.processes.append(FakeProcess(obeys=self.obeys))
        return self.processes[-1]

    async def probe(self, ip: str, port: int) -> bool:
        assert (ip.startswith("127."), port > 0) == (True, True)
        return self.healthy


class World:
    """One pod on one node, and the worker that runs it."""

    def __init__(
        self, client: KubernetesClient, runner: FakeRunner, raw: dict[str, Any], network: str = "127.98"
    ) -> None:
        self.client = client
        self.runner = runner
        runtime = NodeRuntime(
            client=client,
            events=EventRecorder(client, "kubelet"),
            runner=runner,
            probe=runner.probe,
            addresses=LoopbackAddresses(network),
            clock=utc_now,
            policy=QUICK,
        )
        self.worker = PodWorker(parse_scheduled_pod(raw), runtime)
        self.task = asyncio.create_task(self.worker.run())

    async def pod(self) -> dict[str, Any]:
        return await self.client.get(PODS, "decode-0", "llm-d-sim")

    async def until(self, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The pod, once `what` holds for it."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                pod = await self.pod()
                if what(pod):
                    return pod
                await asyncio.sleep(0.01)

    async def delete(self, grace_seconds: int = 30) -> None:
        """Ask for deletion as kubectl does, and let the worker see it as its cache would show it."""
        raw = await self.pod()
        raw["metadata"]["deletionTimestamp"] = "2025-09-04T18:00:00Z"
        raw["metadata"]["deletionGracePeriodSeconds"] = grace_seconds
        self.worker.observe(parse_scheduled_pod(raw))


@asynccontextmanager
async def a_world(
    runner: FakeRunner | None = None,
    *,
    network: str = "127.98",
    **pod: Any,  # noqa: ANN401 - passed on
) -> AsyncIterator[World]:
    async with running_api() as api, KubernetesClient.connect(kubeconfig=str(api.kubeconfig)) as client:
        await client.create(NAMESPACES, {"metadata": {"name": "llm-d-sim"}})
        raw = await client.create(PODS, a_raw_pod(**pod), "llm-d-sim")
        world = World(client, runner or FakeRunner(), raw, network)
        try:
            yield world
        finally:
            world.task.cancel()
            await asyncio.wait({world.task})


def is_ready(pod: dict[str, Any]) -> bool:
    return any(
        one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions") or ()
    )


async def test_a_pod_becomes_ready_when_its_server_is_healthy() -> None:
    runner = FakeRunner(healthy=False)
    async with a_world(runner) as world:
        pod = await world.until(lambda pod: pod["status"]["phase"] == "Running")
        assert not is_ready(pod)
        assert pod["status"]["podIP"].startswith("127.")
        runner.healthy = True
        await world.until(is_ready)


async def test_the_server_is_started_with_the_containers_arguments_and_its_own_address() -> None:
    async with a_world() as world:
        pod = await world.until(is_ready)
        address = pod["status"]["podIP"]
        launch = world.runner.launches[0]
        assert launch.arguments[:1] == ("Qwen/Qwen3-0.6B",)
        assert launch.arguments[1:3] == ("--host", address)
        assert launch.variables["VLLME_DRAIN_SECONDS"] == "30"


async def test_where_pods_share_an_address_the_port_is_told_in_an_annotation() -> None:
    not_of_this_machine = "203.0"
    async with a_world(network=not_of_this_machine) as world:
        pod = await world.until(is_ready)
        port = pod["metadata"]["annotations"]["prometheus.io/port"]
        assert pod["status"]["podIP"] == "127.0.0.1"
        assert world.runner.launches[0].arguments[-4:] == ("--host", "127.0.0.1", "--port", port)


async def test_a_crash_is_restarted_at_once_and_a_second_one_backs_off() -> None:
    async with a_world() as world:
        await world.until(is_ready)
        world.runner.processes[0].end(1)
        await world.until(lambda pod: pod["status"]["containerStatuses"][0]["restartCount"] == 1)
        world.runner.processes[1].end(1)
        pod = await world.until(lambda pod: "waiting" in pod["status"]["containerStatuses"][0]["state"])
        waiting = pod["status"]["containerStatuses"][0]["state"]["waiting"]
        assert waiting["reason"] == "CrashLoopBackOff"
        assert not is_ready(pod)


async def test_a_deleted_pod_is_terminated_and_then_removed() -> None:
    async with a_world() as world:
        await world.until(is_ready)
        await world.delete()
        async with asyncio.timeout(LIMIT_SECONDS):
            await world.task
        assert world.runner.processes[0].signals == ["TERM"]
        await assert_gone(world)


async def test_a_server_that_ignores_the_signal_is_killed_after_the_grace_period() -> None:
    async with a_world(FakeRunner(obeys=False)) as world:
        await world.until(is_ready)
        await world.delete(grace_seconds=0)
        async with asyncio.timeout(LIMIT_SECONDS):
            await world.task
        assert world.runner.processes[0].signals == ["TERM", "KILL"]
        await assert_gone(world)


async def test_when_the_kubelet_ends_so_does_the_server_and_the_pod_stays() -> None:
    async with a_world() as world:
        await world.until(is_ready)
        world.task.cancel()
        await asyncio.wait({world.task})
        assert world.runner.processes[0].signals == ["TERM"]
        assert is_ready(await world.pod())


async def test_a_pod_without_a_server_runs_without_a_process() -> None:
    busybox = [{"name": "sleep", "image": "busybox", "command": ["sleep", "1d"]}]
    async with a_world(containers=busybox) as world:
        await world.until(is_ready)
        assert world.runner.launches == []


async def test_a_pod_of_an_earlier_kubelet_is_started_again_and_counted() -> None:
    started = {"running": {"startedAt": "2025-09-04T18:00:00Z"}}
    status = {
        "phase": "Running",
        "containerStatuses": [{"name": "vllm", "restartCount": 2, "state": started}],
    }
    raw = a_raw_pod(status=status)
    async with running_api() as api, KubernetesClient.connect(kubeconfig=str(api.kubeconfig)) as client:
        await client.create(NAMESPACES, {"metadata": {"name": "llm-d-sim"}})
        created = await client.create(PODS, raw, "llm-d-sim")
        world = World(client, FakeRunner(), {**created, "status": status})
        await world.until(
            lambda pod: pod["status"].get("containerStatuses", [{}])[0].get("restartCount") == 3
        )
        world.task.cancel()
        await asyncio.wait({world.task})


async def test_the_slip_in_the_secret_is_told_once_as_an_event_and_stops_nothing() -> None:
    env = [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "llm-d-hf-token", "key": "HF_TOKEN"}}}]
    container = {"name": "vllm", "command": ["vllm", "serve"], "args": ["m"], "image": "x", "env": env}
    async with a_world(containers=[container]) as world:
        await world.until(is_ready)
        world.runner.processes[0].end(1)
        await world.until(lambda pod: pod["status"]["containerStatuses"][0]["restartCount"] == 1)
        events = (await world.client.list(EVENTS, "llm-d-sim")).items
        assert [(event["type"], event["count"]) for event in events] == [("Warning", 1)]
        assert "Secret llm-d-sim/llm-d-hf-token does not exist" in events[0]["message"]


async def assert_gone(world: World) -> None:
    try:
        await world.pod()
    except NotFoundError:
        return
    raise AssertionError("the pod is still there")


async def test_a_program_beside_the_cluster_lends_its_log_to_a_pod(tmp_path: Path) -> None:
    file = tmp_path / "actuator.log"
    metadata = {"annotations": {LOG_FILE_ANNOTATION: str(file)}}
    container = {"name": "actuator", "image": "example.com/inferno-controller"}
    async with a_world(metadata=metadata, containers=[container]) as world:
        await world.until(is_ready)
        file.write_text("first\nsec")
        log = world.worker.logs["actuator"].read(LogOptions(follow=True))
        assert await anext(log) == b"first\n"
        with file.open("a") as more:
            more.write("ond\n")
        assert await anext(log) == b"second\n"
    assert world.runner.launches == []
