"""The collector as a service at the size of a platform: first snapshot after its start, others, memory.

    .venv/bin/python tests/bench/bench_scale.py [--quick]

1,000 variants, 1,000 nodes and 10,000 pods, all serving; the Kubernetes API and Prometheus are another
process on this machine, which shares its processors. Goals: first snapshot within 20 s of the start of the
process, 1.5 s of the processor for a snapshot a minute later, 400 MB of resident memory. For comparison: the
time that the API server needs to hand out the same objects to a client that throws them away.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import httpx
import psutil
import yaml
from rich.console import Console
from rich.table import Table

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
COLLECTOR: Final = Path(sys.executable).with_name("inferno-collector")
MIB: Final = 2**20
GOAL_SECONDS: Final = 20.0
GOAL_LATER_SECONDS: Final = 1.5
GOAL_MEGABYTES: Final = 400.0
PATIENCE_SECONDS: Final = 60.0
MINUTE: Final = 60.0
LOOKS_BETWEEN_CENSUSES: Final = 100
LISTED: Final = (
    "/api/v1/nodes",
    "/api/v1/pods",
    "/apis/apps/v1/deployments",
    "/apis/llmd.ai/v1alpha1/variantautoscalings",
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    scale = 10 if parser.parse_args().quick else 1
    size = [1_000 // scale, 1_000 // scale, 10_000 // scale]
    console = Console()
    table = Table(
        "measure",
        "value",
        "goal",
        title=f"collector with {size[0]:,} variants, {size[1]:,} nodes, {size[2]:,} pods",
    )
    with large_cluster(size) as kubeconfig:
        table.add_row("the data alone, thrown away", f"{seconds_of_the_data(kubeconfig):.1f} s", "")
        missed = measure(kubeconfig, size, table)
    console.print(table)
    console.print(f"missed: {', '.join(missed)}" if missed else "all goals met")


def measure(kubeconfig: Path, size: list[int], table: Table) -> list[str]:
    """Start a collector, take snapshots, fill the table; the goals that were missed."""
    with collector(kubeconfig) as (process, url), Memory(process.pid) as memory:
        first_seconds, body = first_snapshot(url)
        first_processor = processor_seconds(process.pid)
        at_first = memory.peak_mib
        one_snapshot(url)
        time.sleep(MINUTE)
        before = processor_seconds(process.pid)
        later = one_snapshot(url)
        later_processor = processor_seconds(process.pid) - before
        resident = memory.now_mib()
        queries = metric(url, 'inferno_collector_source_queries{source="prometheus"}')
    snapshot = json.loads(body)
    observed = sum(variant["load"]["state"] == "observed" for variant in snapshot["variants"])
    if (observed, len(snapshot["inventory"])) != (size[0], size[1]) or snapshot["problems"]:
        raise SystemExit(
            f"{observed} loads observed, problems: {snapshot['problems'][:3]}: not what was built"
        )
    peak_mb = memory.peak_mib * MIB / 1e6
    table.add_row("first snapshot after the start", f"{first_seconds:.1f} s", f"{GOAL_SECONDS:.0f} s")
    table.add_row("  of the processor, our process", f"{first_processor:.1f} s", "")
    table.add_row("a snapshot a minute later", f"{later:.1f} s", "")
    table.add_row("  of the processor, our process", f"{later_processor:.1f} s", f"{GOAL_LATER_SECONDS} s")
    table.add_row("queries of Prometheus per snapshot", f"{queries:.0f}", "whatever the variants")
    table.add_row("snapshot", f"{len(body) / MIB:.1f} MiB", "")
    table.add_row("resident memory, peak until the first", f"{at_first * MIB / 1e6:.0f} MB", "")
    table.add_row("resident memory, peak", f"{peak_mb:.0f} MB", f"{GOAL_MEGABYTES:.0f} MB")
    table.add_row("resident memory, at the end", f"{resident * MIB / 1e6:.0f} MB", "")
    goals = {
        "first snapshot": first_seconds <= GOAL_SECONDS,
        "later snapshot": later_processor <= GOAL_LATER_SECONDS,
        "memory": peak_mb <= GOAL_MEGABYTES,
    }
    return [name for name, met in goals.items() if not met]


@contextmanager
def large_cluster(size: list[int]) -> Iterator[Path]:
    """The servers in their own process; the path of the kubeconfig."""
    command = [sys.executable, str(HERE / "large_cluster.py"), *map(str, size)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "hack")}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise SystemExit("the servers did not start: see above")
            yield Path(json.loads(line)["kubeconfig"])
        finally:
            if process.stdin:
                process.stdin.close()
            process.wait(10)


@contextmanager
def collector(kubeconfig: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The service as it is installed, and its address."""
    port = free_port()
    environment = os.environ | {"KUBECONFIG": str(kubeconfig), "INFERNO_LOG_LEVEL": "error"}
    with subprocess.Popen([COLLECTOR, "--port", str(port)], env=environment) as process:
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Memory:
    """Looks at the resident memory of a process and its children every few milliseconds."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._family = family(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak_mib = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def now_mib(self) -> float:
        """Resident memory now; pages that two processes share count twice."""
        total = 0
        for process in self._family:
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total / MIB

    def _watch(self) -> None:
        looks = 0
        while not self._ended.wait(0.01):
            looks += 1
            if looks % LOOKS_BETWEEN_CENSUSES == 0:
                with suppress(psutil.Error):
                    self._family = family(self._pid)
            self.peak_mib = max(self.peak_mib, self.now_mib())


def first_snapshot(url: str) -> tuple[float, bytes]:
    """Seconds until a snapshot comes, counted from now, and the snapshot."""
    began = time.perf_counter()
    while time.perf_counter() - began < PATIENCE_SECONDS:
        try:
            answer = httpx.get(f"{url}/snapshot", timeout=PATIENCE_SECONDS)
        except httpx.ConnectError:
            answer = None
        if answer is not None and answer.is_success:
            return time.perf_counter() - began, answer.content
        time.sleep(0.05)
    raise SystemExit(f"no snapshot within {PATIENCE_SECONDS:.0f} s")


def one_snapshot(url: str) -> float:
    """Seconds of one snapshot more."""
    began = time.perf_counter()
    httpx.get(f"{url}/snapshot", timeout=PATIENCE_SECONDS).raise_for_status()
    return time.perf_counter() - began


def processor_seconds(pid: int) -> float:
    """Processor time of a process and its children; what else runs here matters less than on the wall."""
    times = [process.cpu_times() for process in family(pid)]
    return sum(one.user + one.system for one in times)


def family(pid: int) -> list[psutil.Process]:
    """A process and what it has started: the optimizer solves in processes of its own."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def metric(url: str, name: str) -> float:
    """A value of /metrics."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def seconds_of_the_data(kubeconfig: Path) -> float:
    """Seconds for the servers to hand out what the first snapshot needs of Kubernetes."""
    server = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    began = time.perf_counter()
    for path in LISTED:
        httpx.get(server + path, timeout=PATIENCE_SECONDS).raise_for_status()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
