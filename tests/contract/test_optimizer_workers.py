"""Worker processes behind a real connection: who leaves stops a solve, who dies takes one request along."""

import asyncio
import os
import random
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from builders import a_profile, a_snapshot, a_variant
from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.settings import OptimizerSettings
from inferno_shared.contracts import (
    Accelerator,
    LinearParameters,
    NodeInventory,
    Policy,
    SaturationPolicy,
    ServiceClass,
    SloTarget,
    Snapshot,
)
from inferno_shared.service.server import server_config
from unit.shared.waiting import until

BOUND_SECONDS = 60
SOLVE_SECONDS = 300
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def a_long_solve() -> Snapshot:
    """60 models that compete for 6 scarce devices under max-min fairness: hours to prove optimal."""
    draw = random.Random(1)  # noqa: S311 - a made-up problem
    names = [f"A{i}" for i in range(6)]
    models = [f"m{i}" for i in range(60)]
    variants = [
        a_variant(
            model,
            model=model,
            service_class="all",
            rate_rpm=draw.uniform(50, 900),
            profiles=[
                a_profile(
                    name,
                    acc_count=draw.choice([1, 2, 3, 4]),
                    max_batch_size=draw.choice([4, 8, 16]),
                    parameters=LinearParameters(alpha=draw.uniform(8, 30), beta=draw.uniform(0.2, 1)),
                )
                for name in names
            ],
            accelerator=None,
            replicas=0,
            min_replicas=0,
            keep_accelerator=False,
        )
        for model in models
    ]
    return a_snapshot(
        variants=variants,
        accelerators=[Accelerator(name=n, device=n, cost_per_hour=draw.uniform(10, 90)) for n in names],
        service_classes=[
            ServiceClass(
                name="all", priority=1, targets=[SloTarget(model=m, itl_ms=60, ttft_ms=900) for m in models]
            )
        ],
        inventory=[NodeInventory(node=n, device=n, allocatable=draw.randint(30, 120)) for n in names],
        policy=Policy(
            unlimited=False,
            saturation_policy=SaturationPolicy.ROUND_ROBIN,
            time_limit_seconds=SOLVE_SECONDS,
        ),
    )


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """An optimizer with one worker, on a thread of its own."""
    settings = OptimizerSettings(port=0, workers=1, max_solve_seconds=SOLVE_SECONDS)
    server = uvicorn.Server(server_config(create_optimizer_app(settings), settings))
    thread = threading.Thread(target=server.run)
    thread.start()
    asyncio.run(until(lambda: server.started or not thread.is_alive()))
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=BOUND_SECONDS) as client:
        yield client


async def metric(client: httpx.AsyncClient, name: str) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


async def solved(client: httpx.AsyncClient) -> bool:
    """Whether a small plan is answered, by a worker that is or will be there."""
    return (await client.post("/optimize", json=a_snapshot().model_dump(mode="json"))).status_code == 200


def workers() -> set[int]:
    """Worker processes of this process."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            found |= {int(pid)} if b"inferno_optimizer.worker" in command else set()
    return found


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


async def begin_a_long_solve(client: httpx.AsyncClient) -> tuple[asyncio.Task[httpx.Response], int]:
    """The request, once the worker is in the middle of it, and the worker."""
    assert await solved(client)
    [pid] = workers()
    request = a_long_solve().model_dump(mode="json") | {"scenarios": [{"name": "same"}]}
    before = cpu_seconds(pid)
    solving = asyncio.create_task(client.post("/optimize", json=request))
    await until(lambda: cpu_seconds(pid) > before + 0.3, seconds=BOUND_SECONDS)
    return solving, pid


async def test_a_client_that_goes_away_stops_its_solve(url: str, client: httpx.AsyncClient) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=BOUND_SECONDS) as leaving:
        solving, pid = await begin_a_long_solve(leaving)
        solving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await solving
    assert await solved(client)  # by the only worker there is
    assert workers() == {pid}
    assert await metric(client, "inferno_optimizer_worker_deaths_total") == 0
    assert await metric(client, "inferno_optimizer_workers_busy") == 0


async def test_a_worker_that_is_killed_fails_one_request_and_is_replaced(client: httpx.AsyncClient) -> None:
    solving, pid = await begin_a_long_solve(client)
    waiting = asyncio.create_task(solved(client))
    os.kill(pid, signal.SIGKILL)
    answer = await solving
    assert answer.status_code == 503
    assert "it was ended by SIGKILL, as when memory runs out; another takes its place" in answer.text
    assert await waiting
    assert pid not in workers()
    assert await metric(client, "inferno_optimizer_worker_deaths_total") == 1


async def test_plans_and_processor_time_are_counted_by_the_server(client: httpx.AsyncClient) -> None:
    name = 'inferno_optimizer_plans_total{status="optimal",verified="true"}'
    assert await solved(client)
    plans, seconds = [await metric(client, m) for m in (name, "inferno_optimizer_worker_cpu_seconds_total")]
    assert await solved(client)
    assert await metric(client, name) == plans + 1
    assert await metric(client, "inferno_optimizer_worker_cpu_seconds_total") > seconds
