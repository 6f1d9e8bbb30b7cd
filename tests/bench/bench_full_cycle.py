"""One cycle of the three services at the size of a platform: collect, solve, apply; writes; memory.

    .venv/bin/python tests/bench/bench_full_cycle.py [--quick] [--cycles N]

1,000 variants, 1,000 nodes and 10,000 pods, all serving at a steady load; the Kubernetes API and Prometheus
are one more process on this machine. The loop's interval is an hour, so that a cycle runs only when it is
asked for: the first ones write a status for each variant, those that are measured come a minute apart, when
nothing has changed. Goals: 5 s on the wall, 10 writes to the API, 400 MB for each service.

Beside the wall, which includes what else runs here, stands each service's own processor time: on a machine
with idle processors the wall is little more than their sum. Writes are all that the API counted while the
cycle ran; its version grows by one with each. (One actuator needs no Lease, which is renewed all the time,
with or without a cycle.)
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

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
GOAL_PROCESSOR_SECONDS: Final = 4.5
GOAL_WRITES: Final = 10
GOAL_MEGABYTES: Final = 400.0
LEASES: Final = "/apis/coordination.k8s.io/v1/leases"
WORK: Final = {
    "collector": "inferno_collector_snapshot_build_seconds_sum",
    "optimizer": "inferno_optimizer_plan_seconds_sum",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One cycle. Seconds on the wall by stage, of the processor by service; writes to the API."""

    wall_seconds: float
    stages: dict[str, float]
    processor: dict[str, float]
    writes: int


class Stack:
    """The three services on a large cluster."""

    def __init__(self, stack: ExitStack, size: list[int]) -> None:
        kubeconfig = stack.enter_context(large_cluster(size))
        self._api = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        ports = {name: free_port() for name in SERVICES}
        self._urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        processes = {name: stack.enter_context(service(name, ports, kubeconfig)) for name in SERVICES}
        self._pids = {name: found.pid for name, found in processes.items()}
        self._memories = {name: stack.enter_context(Memory(pid)) for name, pid in self._pids.items()}
        self._turns = 0

    def until_planned(self, variants: int) -> None:
        """Return when every variant is exported, its status is written, and no cycle is under way."""
        began = time.perf_counter()
        while time.perf_counter() - began < 4 * PATIENCE_SECONDS:
            try:
                lines = self._metrics("actuator")
            except httpx.HTTPError:
                lines = {}
            if sum(name.startswith("inferno_desired_replicas{") for name in lines) == variants:
                while self._turn()["status_writes"]:
                    pass
                return
            time.sleep(0.5)
        raise SystemExit(f"not all of {variants} variants were planned")

    def cycle(self) -> Measured:
        """Exactly one cycle: another one that came in between makes it be measured again."""
        while True:
            turns, version = self._turns, self._version()
            worked = {name: self._metrics(name).get(metric, 0.0) for name, metric in WORK.items()}
            processor = self._processor()
            answer = self._turn()
            spent = {name: used - processor[name] for name, used in self._processor().items()}
            worked = {name: self._metrics(name)[metric] - worked[name] for name, metric in WORK.items()}
            writes = self._version() - version
            if answer["number"] == turns + 1 and answer["outcome"] == "planned":
                return Measured(answer["duration_seconds"], _stages(answer, worked), spent, writes)

    def peaks_megabytes(self) -> dict[str, float]:
        """Resident memory at its highest."""
        return {name: memory.peak_mib * MIB / 1e6 for name, memory in self._memories.items()}

    def _turn(self) -> dict[str, Any]:
        found = httpx.post(f"{self._urls['actuator']}/invoke", timeout=4 * PATIENCE_SECONDS)
        answer: dict[str, Any] = found.raise_for_status().json()
        self._turns = answer["number"]
        return answer

    def _processor(self) -> dict[str, float]:
        return {name: processor_seconds(pid) for name, pid in self._pids.items()}

    def _metrics(self, name: str) -> dict[str, float]:
        found = httpx.get(f"{self._urls[name]}/metrics", timeout=PATIENCE_SECONDS).raise_for_status()
        pairs = (line.rpartition(" ") for line in found.text.splitlines() if line and line[0] != "#")
        return {series: float(value) for series, _, value in pairs}

    def _version(self) -> int:
        listing = httpx.get(self._api + LEASES, timeout=PATIENCE_SECONDS).raise_for_status().json()
        return int(listing["metadata"]["resourceVersion"])


def main() -> int:
    """Print the table; the exit code is 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, and no minute's wait")
    parser.add_argument("--cycles", type=int, default=3, help="how many cycles are measured (3)")
    arguments = parser.parse_args()
    size = [100, 100, 1_000] if arguments.quick else [1_000, 1_000, 10_000]
    console = Console()
    measured = []
    with ExitStack() as context:
        stack = Stack(context, size)
        stack.until_planned(size[0])
        for _ in range(arguments.cycles):
            time.sleep(0 if arguments.quick else MINUTE)
            measured.append(stack.cycle())
        peaks = stack.peaks_megabytes()
    console.print(table_of(measured, peaks, size))
    missed = missed_goals(measured, peaks)
    console.print(f"missed: {', '.join(missed)}" if missed else "all goals met")
    return 1 if missed else 0


def table_of(measured: Sequence[Measured], peaks: dict[str, float], size: list[int]) -> Table:
    """Each measure over all cycles."""
    title = f"a cycle of {size[0]:,} variants, {size[1]:,} nodes, {size[2]:,} pods, nothing changed"
    table = Table("measure", "min", "median", "max", "goal", title=title)

    def row(name: str, values: Sequence[float], goal: str = "", digits: int = 2) -> None:
        shown = (f"{value:.{digits}f}" for value in (min(values), median(values), max(values)))
        table.add_row(name, *shown, goal)

    row("whole cycle, wall s", [one.wall_seconds for one in measured], f"{GOAL_SECONDS:g}")
    for stage in measured[0].stages:
        row(f"  {stage}", [one.stages.get(stage, 0.0) for one in measured])
    row("processor s, all three", _processors(measured), f"{GOAL_PROCESSOR_SECONDS:g}")
    for name in SERVICES:
        row(f"  {name}", [one.processor[name] for one in measured])
    row("writes to the API", [one.writes for one in measured], f"{GOAL_WRITES}", 0)
    for name in SERVICES:
        table.add_row(f"peak MB, {name}", "", "", f"{peaks[name]:.0f}", f"{GOAL_MEGABYTES:.0f}")
    return table


def missed_goals(measured: Sequence[Measured], peaks: dict[str, float]) -> list[str]:
    """The goals that were missed: writes and memory always count, times in the median."""
    goals = {
        "wall": median(one.wall_seconds for one in measured) <= GOAL_SECONDS,
        "processor": median(_processors(measured)) <= GOAL_PROCESSOR_SECONDS,
        "writes": max(one.writes for one in measured) <= GOAL_WRITES,
        "memory": max(peaks.values()) <= GOAL_MEGABYTES,
    }
    return [name for name, met in goals.items() if not met]


def _processors(measured: Sequence[Measured]) -> list[float]:
    return [sum(one.processor.values()) for one in measured]


def _stages(answer: dict[str, Any], worked: dict[str, float]) -> dict[str, float]:
    """The stages in order; what the actuator waited for beyond the work of a service is transfer."""
    stages = dict(answer["stage_seconds"])
    collect, optimize = stages.pop("collect"), stages.pop("optimize")
    return {
        "build the snapshot": worked["collector"],
        "its transfer, written and read": collect - worked["collector"],
        "make the plan": worked["optimizer"],
        "transfer of snapshot and plan": optimize - worked["optimizer"],
        **stages,
        "all else": answer["duration_seconds"] - collect - optimize - sum(stages.values()),
    }


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


if __name__ == "__main__":
    sys.exit(main())
