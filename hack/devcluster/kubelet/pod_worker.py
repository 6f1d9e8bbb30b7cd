"""Runs one pod: does what its state machine says, and writes its status whenever that changes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog

from devcluster.kubelet import lifecycle
from devcluster.kubelet.addresses import PORT_ANNOTATION, LoopbackAddresses, PodAddress
from devcluster.kubelet.api import remove
from devcluster.kubelet.launching import prepare_launch
from devcluster.kubelet.lifecycle import Action, LifecyclePolicy, ServerState, Stage
from devcluster.kubelet.logs import ContainerLog
from devcluster.kubelet.outside import LOG_FILE_ANNOTATION, follow_file
from devcluster.kubelet.pods import ScheduledPod
from devcluster.kubelet.processes import NoProcess, ProcessRunner, ServerProcess
from devcluster.kubelet.servers import DEFAULT_PORT, find_server
from devcluster.kubelet.status import pod_status
from inferno_shared.errors import InfernoError, NotFoundError
from inferno_shared.kubernetes import (
    PODS,
    EventRecorder,
    JsonObject,
    KubernetesClient,
    ObjectReference,
)

RETRY_SECONDS = 1.0
KILL_WAIT_SECONDS = 5.0

log = structlog.stdlib.get_logger(__name__)

Probe = Callable[[str, int], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class NodeRuntime:
    """What all pods of this kubelet share."""

    client: KubernetesClient
    events: EventRecorder
    runner: ProcessRunner
    probe: Probe
    addresses: LoopbackAddresses
    clock: Callable[[], datetime]
    policy: LifecyclePolicy
    host_ip: str = "127.0.0.1"
    emulator_variables: Mapping[str, str] | None = None


class PodWorker:
    """The thin shell around `lifecycle`, one task per pod."""

    def __init__(self, pod: ScheduledPod, runtime: NodeRuntime) -> None:
        self.server = find_server(pod)
        self.logs = {one.name: ContainerLog() for one in (*pod.init_containers, *pod.containers)}
        self.state = _first_state(pod, self.server.container.name if self.server else None, runtime.clock())
        self._pod = pod
        self._runtime = runtime
        self._process: ServerProcess | None = None
        self._exit: asyncio.Task[int] | None = None
        self._following: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._written: JsonObject | None = None
        self._warned = False

    def observe(self, pod: ScheduledPod) -> None:
        """The pod's object changed."""
        self._pod = pod
        if pod.deleting and self.state.stage not in {Stage.STOPPING, Stage.ENDED}:
            self._wake.set()

    async def run(self) -> None:
        """Run the pod until it is deleted; when cancelled, leave no process behind."""
        port = self.server.port if self.server else DEFAULT_PORT
        address = self._runtime.addresses.take(port)
        try:
            if address.moved:
                await self._tell_port(address)
            while not await self._step(address):
                pass
        finally:
            if self._following is not None:
                self._following.cancel()
            await self._stop_process()
            self._runtime.addresses.release(address)
            for one in self.logs.values():
                one.close()

    async def _step(self, address: PodAddress) -> bool:
        """Do the next thing; whether the pod is done."""
        if self._pod.deleting:
            self.state = lifecycle.deletion_requested(self.state)
        reported = await self._report(address)
        now = self._runtime.clock()
        action, until = lifecycle.next_action(self.state, now)
        match action:
            case Action.START:
                await self._start(address)
            case Action.PROBE:
                await self._probe(address)
            case Action.TERMINATE:
                grace = self._pod.deletion_grace_seconds
                seconds = self._pod.grace_seconds if grace is None else grace
                self._signal(kill=False)
                self.state = lifecycle.signalled(self.state, now, seconds)
            case Action.KILL:
                self._signal(kill=True)
                self.state = lifecycle.killed(self.state)
            case Action.WAIT:
                await self._wait(until, retry=not reported)
            case Action.DELETE:
                return await self._delete()
        return False

    async def _start(self, address: PodAddress) -> None:
        for one in self.logs.values():
            one.begin_run()
        try:
            self._process = await self._launch(address)
        except OSError as error:
            name = self.server.container.name if self.server else ""
            self.logs[name].append(f"cannot start: {error}", self._runtime.clock())
            self._process = NoProcess()
            self._process.kill()
        self._exit = asyncio.create_task(self._process.wait())
        self.state = lifecycle.started(self.state, self._runtime.clock(), self._runtime.policy)

    async def _launch(self, address: PodAddress) -> ServerProcess:
        file = self._pod.pod.metadata.annotations.get(LOG_FILE_ANNOTATION)
        if self.server is None and file is not None:
            log_of_first = self.logs[self._pod.containers[0].name]
            self._following = asyncio.create_task(follow_file(Path(file), log_of_first, self._runtime.clock))
            return NoProcess()
        now = self._runtime.clock()
        for name, one in self.logs.items():
            if self.server is None or name != self.server.container.name:
                one.append("this container is only pretended to run: it serves no model", now)
        if self.server is None:
            return NoProcess()
        launch, problems = await prepare_launch(
            self._runtime.client, self._pod, self.server, address, self._runtime.emulator_variables or {}
        )
        if problems and not self._warned:
            for problem in problems:
                await self._warn("Failed", f"Error: {problem}")
        self._warned = True
        return await self._runtime.runner.start(launch, self.logs[self.server.container.name])

    async def _probe(self, address: PodAddress) -> None:
        """Ask for its health, unless it ends meanwhile."""
        if self._exit is not None and self._exit.done():
            await self._ended(self._exit.result())
            return
        healthy = self.server is None or await self._runtime.probe(address.ip, address.port)
        self.state = lifecycle.probed(
            self.state, self._runtime.clock(), self._runtime.policy, healthy=healthy
        )

    async def _wait(self, until: datetime | None, *, retry: bool) -> None:
        """Wait for the process's end, a deletion, or the moment `until`."""
        seconds = None if until is None else max(0.0, (until - self._runtime.clock()).total_seconds())
        if retry:
            seconds = RETRY_SECONDS if seconds is None else min(seconds, RETRY_SECONDS)
        woken = asyncio.create_task(self._wake.wait())
        waited_for = {woken} if self._exit is None else {woken, self._exit}
        try:
            await asyncio.wait(waited_for, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
        self._wake.clear()
        if self._exit is not None and self._exit.done():
            await self._ended(self._exit.result())

    async def _ended(self, code: int) -> None:
        self._process = self._exit = None
        self.state = lifecycle.exited(self.state, code, self._runtime.clock(), self._runtime.policy)
        if self.state.stage is Stage.BACKING_OFF and self.server is not None:
            name = self.server.container.name
            await self._warn("BackOff", f"Back-off restarting failed container {name} (exit code {code})")

    def _signal(self, *, kill: bool) -> None:
        if self._process is not None and kill:
            self._process.kill()
        elif self._process is not None:
            self._process.terminate()

    async def _delete(self) -> bool:
        """Take the stopped pod out of the API; try again later if that fails."""
        namespace, name = self._pod.key
        try:
            await remove(self._runtime.client, namespace, name)
        except InfernoError as error:
            log.warning("pod not removed", pod=f"{namespace}/{name}", reason=str(error))
            await asyncio.sleep(RETRY_SECONDS)
            return False
        return True

    async def _report(self, address: PodAddress) -> bool:
        """Write the status if it differs from the last one written; whether the API has it."""
        if self._pod.deleting and self.state.stage is Stage.ENDED:
            return True
        pod = self._pod if self._written is None else replace(self._pod, status=self._written)
        status = pod_status(
            pod,
            self.state,
            server=self.server.container.name if self.server else None,
            pod_ip=address.ip,
            host_ip=self._runtime.host_ip,
            now=self._runtime.clock(),
        )
        if status == self._written:
            return True
        namespace, name = self._pod.key
        patch = {"metadata": {"uid": self._pod.uid}, "status": status}
        try:
            await self._runtime.client.merge_patch(PODS, patch, name, namespace, subresource="status")
        except NotFoundError:
            return True
        except InfernoError as error:
            log.warning("pod status not written", pod=f"{namespace}/{name}", reason=str(error))
            return False
        self._written = status
        return True

    async def _tell_port(self, address: PodAddress) -> None:
        namespace, name = self._pod.key
        patch = {"metadata": {"annotations": {PORT_ANNOTATION: str(address.port)}}}
        await self._runtime.client.merge_patch(PODS, patch, name, namespace)

    async def _warn(self, reason: str, message: str) -> None:
        namespace, name = self._pod.key
        reference = ObjectReference(PODS.api_version, PODS.kind, namespace, name, self._pod.uid)
        await self._runtime.events.record(reference, "Warning", reason, message)

    async def _stop_process(self) -> None:
        """End a process that still runs: kindly, then not."""
        if self._process is None or self._exit is None:
            return
        self._process.terminate()
        done, _ = await asyncio.wait({self._exit}, timeout=KILL_WAIT_SECONDS / 2)
        if not done:
            self._process.kill()
            await asyncio.wait({self._exit}, timeout=KILL_WAIT_SECONDS / 2)
        with contextlib.suppress(asyncio.CancelledError):
            self._exit.cancel()
            await self._exit


def _first_state(pod: ScheduledPod, server: str | None, now: datetime) -> ServerState:
    """A new pod starts; one that an earlier kubelet ran starts again, which counts as a restart."""
    known = pod.status_of(server) if server else {}
    if not (known.get("state") or {}).get("running"):
        return ServerState(restarts=int(known.get("restartCount") or 0))
    lost = lifecycle.Exit(137, datetime.fromisoformat(known["state"]["running"]["startedAt"]), now)
    return ServerState(restarts=int(known.get("restartCount") or 0), last_exit=lost)
