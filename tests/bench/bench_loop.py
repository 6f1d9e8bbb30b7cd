"""The actuator's loop at 1,000 variants, and what each service weighs at rest.

    .venv/bin/python tests/bench/bench_loop.py

Loop overhead is everything but waiting for others: parsing the snapshot and the plan, deciding, exporting
and rendering statuses; collector, optimizer and Kubernetes API are in-process fakes whose own time counts as
well, so the figures are upper bounds. Goal: 1 s. What upstream does is shown beside it: a status write for
each variant each time. Here a status is written only when something changed.
"""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil
from rich.console import Console
from rich.table import Table

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "hack")]

from builders import a_snapshot, a_variant
from demo.stack import BIN, free_port
from devcluster.apiserver import running_api
from inferno_actuator.triggers import Trigger
from inferno_shared.service import configure_logging
from unit.actuator.world import World

VARIANTS = 1_000
TURNS = 5
REST_SECONDS = 6.0
MIB = 2**20


async def turns(*, changing: bool) -> tuple[list[float], int]:
    """Processor seconds of each turn after the first, and the status writes of the last one."""
    world = World(a_snapshot(variants=[a_variant(f"v{number}") for number in range(VARIANTS)]))
    await world.loop.run_once(Trigger.START)
    seconds, writes = [], 0
    for turn in range(TURNS):
        world.clock.advance(60)
        if changing:
            rate_rpm = 40.0 * 2**turn
            changed = [a_variant(f"v{number}", rate_rpm=rate_rpm) for number in range(VARIANTS)]
            world.snapshot = a_snapshot(variants=changed)
        world.statuses.writes.clear()
        started = time.process_time()
        await world.loop.run_once(Trigger.INTERVAL)
        seconds.append(time.process_time() - started)
        writes = len(world.statuses.writes)
    return seconds, writes


def started(folder: Path, kubeconfig: Path) -> dict[str, subprocess.Popen[bytes]]:
    """The three services as processes of their own."""
    variables = {**os.environ, "KUBECONFIG": str(kubeconfig), "INFERNO_LOAD_SOURCE": "scrape"}
    with (folder / "log").open("wb") as log:
        return {
            name: subprocess.Popen(
                [str(BIN / f"inferno-{name}"), "--host", "127.0.0.1", "--port", str(free_port(0))],
                env=variables,
                stdout=log,
                stderr=log,
            )
            for name in ("collector", "optimizer", "actuator")
        }


async def at_rest() -> dict[str, float]:
    """Resident MiB of each service on an empty cluster."""
    with TemporaryDirectory() as folder:
        async with running_api() as api:
            services = started(Path(folder), api.kubeconfig)
            try:
                await asyncio.sleep(REST_SECONDS)
                return {name: psutil.Process(it.pid).memory_info().rss / MIB for name, it in services.items()}
            finally:
                for process in services.values():
                    process.terminate()
                for process in services.values():
                    process.wait(10)


def main() -> None:
    """Print both tables."""
    configure_logging("warning")
    console = Console(width=110)
    table = Table(
        title=f"actuator: one turn of the loop, {VARIANTS:,} variants (goal: 1 s)", title_justify="left"
    )
    for heading in ("case", "processor s min", "median", "max", "status writes", "upstream's writes"):
        table.add_column(heading, justify="left" if heading == "case" else "right")
    for label, changing in (("nothing changed", False), ("every rate changed", True)):
        seconds, writes = asyncio.run(turns(changing=changing))
        table.add_row(
            label,
            f"{min(seconds):.2f}",
            f"{median(seconds):.2f}",
            f"{max(seconds):.2f}",
            str(writes),
            f"{VARIANTS}",
        )
    console.print(table)
    console.print(
        f"resident after these turns, fakes of the cluster and of both services included: "
        f"{psutil.Process().memory_info().rss / MIB:.0f} MiB (goal: 400)"
    )
    table = Table(title="\nresident memory at rest, empty cluster", title_justify="left")
    table.add_column("service")
    table.add_column("MiB", justify="right")
    for name, megabytes in asyncio.run(at_rest()).items():
        table.add_row(name, f"{megabytes:.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
