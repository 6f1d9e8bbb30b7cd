"""A client that goes away stops its solve: a real connection, and a problem that takes hours to prove."""

import asyncio
import random
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from ortools.util.python.solve_interrupter import SolveInterrupter

from builders import a_profile, a_snapshot, a_variant
from inferno_optimizer.allocation import InterruptedSolveError
from inferno_optimizer.plan import make_plan
from inferno_optimizer.whatif import optimize_router
from inferno_optimizer.work import Workers
from inferno_shared.contracts import (
    Accelerator,
    LinearParameters,
    NodeInventory,
    Plan,
    Policy,
    SaturationPolicy,
    ServiceClass,
    SloTarget,
    Snapshot,
)
from inferno_shared.service import ServiceSettings, create_app

BOUND_SECONDS = 10
SOLVE_SECONDS = 60


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


class Watched:
    """Plans as the service does, and tells when it begins and how it ends."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.interrupted = False

    def __call__(self, snapshot: Snapshot, limit_seconds: float, interrupter: SolveInterrupter) -> Plan:
        self.begun.set()
        try:
            return make_plan(snapshot, limit_seconds, interrupter=interrupter)
        except InterruptedSolveError:
            self.interrupted = True
            raise
        finally:
            self.ended.set()


@asynccontextmanager
async def served(plan: Watched) -> AsyncIterator[str]:
    app = create_app(title="test", settings=ServiceSettings(), routers=[optimize_router(Workers(1, 1), plan)])
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        listener.close()


@pytest.mark.parametrize("scenarios", [[], [{"name": "double", "load": [{"factor": 2}]}]])
async def test_a_client_that_goes_away_stops_its_solve(scenarios: list[object]) -> None:
    request = a_long_solve().model_dump(mode="json") | {"scenarios": scenarios}
    plan = Watched()
    async with served(plan) as url:
        async with httpx.AsyncClient(base_url=url, timeout=SOLVE_SECONDS) as leaving:
            solving = asyncio.create_task(leaving.post("/optimize", json=request))
            assert await asyncio.to_thread(plan.begun.wait, BOUND_SECONDS)
            solving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await solving
        assert await asyncio.to_thread(plan.ended.wait, BOUND_SECONDS)
        assert plan.interrupted
        async with httpx.AsyncClient(base_url=url, timeout=SOLVE_SECONDS) as staying:
            answer = await staying.post("/optimize", json=a_snapshot().model_dump(mode="json"))
            assert answer.status_code == 200
