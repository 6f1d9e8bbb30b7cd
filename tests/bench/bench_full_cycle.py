"""A whole cycle of the three services at the size of a platform: collect, solve, apply; writes; memory.

    .venv/bin/python tests/bench/bench_full_cycle.py [--quick]

1,000 variants, 1,000 nodes and 10,000 pods, all serving at a steady load; the Kubernetes API and Prometheus
are one more process on this machine. The first cycle writes a status for each variant. The one that is
measured comes a minute later, when nothing has changed. Goals: 5 s on the wall, 10 writes to the API, 400 MB
for each. Beside the wall, which includes what else runs here and the simulated Prometheus, stands each
service's own processor time. Writes are counted by the API's version, which grows by one with each.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx
import yaml
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.bench_scale import (
    MIB,
    MINUTE,
    PATIENCE_SECONDS,
    Memory,
    free_port,
    large_cluster,
    processor_seconds,
)

SERVICES: Final = ("collector", "optimizer", "actuator")
GOAL_SECONDS: Final = 5.0
GOAL_WRITES: Final = 10
GOAL_MEGABYTES: Final = 400.0
LEASES: Final = "/apis/coordination.k8s.io/v1/leases"


def main() -> int:
    """Print the table; the exit code is 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, and no minute's wait")
    quick = parser.parse_args().quick
    size = [100, 100, 1_000] if quick else [1_000, 1_000, 10_000]
    console = Console()
    with ExitStack() as stack:
        kubeconfig = stack.enter_context(large_cluster(size))
        api = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        ports = {name: free_port() for name in SERVICES}
        processes = {name: stack.enter_context(service(name, ports, kubeconfig)) for name in SERVICES}
        memories = {name: stack.enter_context(Memory(found.pid)) for name, found in processes.items()}
        actuator = f"http://127.0.0.1:{ports['actuator']}"
        until_planned(actuator, size[0])
        time.sleep(0 if quick else MINUTE)
        table, missed = measure(actuator, api, size, processes, memories)
    console.print(table)
    console.print(f"missed: {', '.join(missed)}" if missed else "all goals met")
    return 1 if missed else 0


def measure(
    actuator: str,
    api: str,
    size: list[int],
    processes: dict[str, subprocess.Popen[bytes]],
    memories: dict[str, Memory],
) -> tuple[Table, list[str]]:
    """One cycle on demand: the table, and the goals that were missed."""
    before, writes = metrics(actuator), version(api)
    processor = {name: processor_seconds(found.pid) for name, found in processes.items()}
    began = time.perf_counter()
    httpx.post(f"{actuator}/invoke", timeout=PATIENCE_SECONDS).raise_for_status()
    seconds = time.perf_counter() - began
    spent = {name: processor_seconds(found.pid) - processor[name] for name, found in processes.items()}
    after, writes = metrics(actuator), version(api) - writes
    table = Table(
        "measure",
        "value",
        "goal",
        title=f"a cycle of {size[0]:,} variants, {size[1]:,} nodes, {size[2]:,} pods, nothing changed",
    )
    table.add_row("whole cycle, wall", f"{seconds:.1f} s", f"{GOAL_SECONDS:g} s")
    for stage in sorted({name for name in after if name.startswith("inferno_stage_duration_seconds_sum")}):
        name = stage.partition('stage="')[2].partition('"')[0]
        table.add_row(f"  {name}", f"{after[stage] - before.get(stage, 0):.2f} s", "")
    for name in SERVICES:
        table.add_row(f"processor, {name}", f"{spent[name]:.2f} s", "")
    table.add_row("writes to the API", str(writes), f"{GOAL_WRITES}")
    peaks = {name: memory.peak_mib * MIB / 1e6 for name, memory in memories.items()}
    for name in SERVICES:
        table.add_row(f"resident memory, peak, {name}", f"{peaks[name]:.0f} MB", f"{GOAL_MEGABYTES:.0f} MB")
    goals = {
        "wall": seconds <= GOAL_SECONDS,
        "writes": writes <= GOAL_WRITES,
        "memory": max(peaks.values()) <= GOAL_MEGABYTES,
    }
    return table, [name for name, met in goals.items() if not met]


@contextmanager
def service(name: str, ports: dict[str, int], kubeconfig: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A service as it is installed."""
    environment = os.environ | {
        "KUBECONFIG": str(kubeconfig),
        "INFERNO_LOG_LEVEL": "error",
        "INFERNO_COLLECTOR_URL": f"http://127.0.0.1:{ports['collector']}",
        "INFERNO_OPTIMIZER_URL": f"http://127.0.0.1:{ports['optimizer']}",
    }
    program = Path(sys.executable).with_name(f"inferno-{name}")
    command = [str(program), "--host", "127.0.0.1", "--port", str(ports[name])]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


def until_planned(actuator: str, variants: int) -> None:
    """Return when every variant is exported and no cycle is under way."""
    began = time.perf_counter()
    while time.perf_counter() - began < 2 * PATIENCE_SECONDS:
        try:
            exported = sum(name.startswith("inferno_desired_replicas{") for name in metrics(actuator))
        except httpx.HTTPError:
            exported = 0
        if exported == variants:
            httpx.post(f"{actuator}/invoke", timeout=2 * PATIENCE_SECONDS).raise_for_status()
            return
        time.sleep(0.5)
    raise SystemExit(f"not all of {variants} variants were planned")


def metrics(actuator: str) -> dict[str, float]:
    """Every series of the actuator."""
    lines = httpx.get(f"{actuator}/metrics", timeout=PATIENCE_SECONDS).raise_for_status().text.splitlines()
    pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def version(api: str) -> int:
    """The API's version."""
    listing = httpx.get(api + LEASES, timeout=PATIENCE_SECONDS).raise_for_status().json()
    return int(listing["metadata"]["resourceVersion"])


if __name__ == "__main__":
    sys.exit(main())
