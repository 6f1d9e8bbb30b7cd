"""What-ifs over HTTP: concurrent clients that ask a running optimizer, each something else.

    .venv/bin/python tests/bench/bench_what_if.py [--requests N]

20 variants with four accelerators each; 8 clients at once. A what-if is either an edited snapshot (one plan)
or a snapshot with one scenario of up to twice the load beside it (two plans and their difference). "enough":
everybody is served; "scarce": there are 80 % of the devices that the cheapest choices would take. "CPU ms" is
what the optimizer spends on a request, which other programs on the machine do not change much. Goal: p95 of
an edited snapshot within 150 ms on two idle cores, which the clients share.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from inferno_shared.contracts import (
    Accelerator,
    LinearParameters,
    Load,
    LoadState,
    Plan,
    Profile,
    SaturationPolicy,
    ServiceClass,
    SloTarget,
    Snapshot,
    Variant,
    WhatIf,
)

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.scarcity import ACCELERATORS, limited

CLIENTS = 8
VARIANTS = 20
GOAL_MS = 150
START_SECONDS = 60
CPU_SECONDS = ("process_cpu_seconds_total ", "inferno_optimizer_worker_cpu_seconds_total ")

Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    name: str
    share_of_devices: float
    scenarios: bool


CASES = (
    Case("edited snapshot, enough", 2.0, scenarios=False),
    Case("edited snapshot, scarce", 0.8, scenarios=False),
    Case("one scenario, enough", 2.0, scenarios=True),
    Case("one scenario, scarce", 0.8, scenarios=True),
)


def main() -> int:
    """Print the table; the exit code is 1 if an answer is not a verified plan."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=200, help="requests of each case")
    return asyncio.run(measured(parser.parse_args().requests))


async def measured(requests: int) -> int:
    console = Console(width=120)
    table = Table(
        "case", "clients", "requests", "median ms", "p95 ms", "p99 ms", "per second", "CPU ms", "verified"
    )
    verified = True
    async with serving() as url:
        for case in CASES:
            documents = [document(case, seed) for seed in range(requests)]
            await ask(url, documents[:CLIENTS])  # all workers have started
            cpu_before, started = await cpu_seconds_of(url), time.perf_counter()
            answers = await ask(url, documents)
            seconds = time.perf_counter() - started
            cpu_seconds = await cpu_seconds_of(url) - cpu_before
            times_ms = [ms for ms, _ in answers]
            good = sum(is_verified(case, content) for _, content in answers)
            verified &= good == requests
            cuts = statistics.quantiles(times_ms, n=100)
            table.add_row(
                case.name,
                str(CLIENTS),
                str(requests),
                f"{statistics.median(times_ms):.0f}",
                f"{cuts[94]:.0f}",
                f"{cuts[98]:.0f}",
                f"{requests / seconds:.0f}",
                f"{cpu_seconds / requests * 1000:.0f}",
                f"{good} of {requests}",
            )
    console.print(table)
    console.print(
        f"{VARIANTS} variants x {len(ACCELERATORS)} accelerators; goal: p95 of one plan within {GOAL_MS} ms"
    )
    return 0 if verified else 1


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """A running optimizer with its default settings."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).parent / "inferno-optimizer"
    environment = {**os.environ, "INFERNO_LOG_LEVEL": "warning"}
    process = subprocess.Popen([str(program), "--port", str(port)], env=environment)  # noqa: ASYNC220 - at once
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=url) as client, asyncio.timeout(START_SECONDS):
            while not await answers(client):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).is_success
    except httpx.TransportError:
        return False


async def cpu_seconds_of(url: str) -> float:
    """CPU seconds that server and workers have used, by the optimizer's own metrics."""
    async with httpx.AsyncClient(base_url=url) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(CPU_SECONDS))


async def ask(url: str, documents: list[bytes]) -> list[tuple[float, bytes]]:
    """(milliseconds, answer) of every request, sent by all clients as fast as they are answered.

    All clients are there before the first request: making one takes a client's program some 20 ms.
    """
    waiting = iter(documents)
    found: list[tuple[float, bytes]] = []

    async def asking(client: httpx.AsyncClient) -> None:
        for content in waiting:
            started = time.perf_counter()
            response = await client.post("/optimize", content=content)
            found.append(((time.perf_counter() - started) * 1000, response.content))

    async with AsyncExitStack() as clients, asyncio.TaskGroup() as group:
        for client in [httpx.AsyncClient(base_url=url, timeout=60) for _ in range(CLIENTS)]:
            group.create_task(asking(await clients.enter_async_context(client)))
    return found


def is_verified(case: Case, content: bytes) -> bool:
    if not case.scenarios:
        return Plan.model_validate_json(content).certificate.verified
    answer = WhatIf.model_validate_json(content)
    return all(plan.certificate.verified for plan in (answer.base, *(s.plan for s in answer.scenarios)))


def document(case: Case, seed: int) -> bytes:
    draw = random.Random(seed)  # noqa: S311 - made-up worlds
    snapshot = limited(
        world(draw), (case.share_of_devices,) * 4, SaturationPolicy.PRIORITY_EXHAUSTIVE, spare=8
    )
    content: Json = json.loads(snapshot.model_dump_json())
    if case.scenarios:
        content["scenarios"] = [{"name": "more", "load": [{"factor": draw.uniform(1.1, 2)}]}]
    return json.dumps(content).encode()


def world(draw: random.Random) -> Snapshot:
    models = [f"model-{i}" for i in range(VARIANTS)]
    targets = [SloTarget(model=m, itl_ms=60, ttft_ms=1_000) for m in models]
    return Snapshot(
        accelerators=[Accelerator(name=n, device=n, cost_per_hour=cost) for n, cost, _ in ACCELERATORS],
        service_classes=[
            ServiceClass(name=n, priority=p, targets=targets) for n, p in (("Gold", 1), ("Free", 10))
        ],
        variants=[variant(draw, model) for model in models],
    )


def variant(draw: random.Random, model: str) -> Variant:
    size = draw.uniform(0.5, 1.5)
    return Variant(
        namespace="bench",
        name=model,
        model=model,
        service_class=draw.choice(["Gold", "Free"]),
        keep_accelerator=False,
        profiles=[
            Profile(
                accelerator=name,
                acc_count=draw.choice([1, 2]),
                max_batch_size=32,
                parameters=LinearParameters(alpha=15 * slowness * size, beta=0.4 * slowness * size),
            )
            for name, _, slowness in ACCELERATORS
        ],
        load=Load(
            state=LoadState.OBSERVED,
            arrival_rate_rpm=draw.uniform(100, 2_000),
            input_tokens=256,
            output_tokens=draw.uniform(100, 400),
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
