"""`make demo`: the seed's scenario runs end to end on this machine, with nothing but Python."""

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from demo import report as show
from demo.observe import observe
from demo.processes import ProcessDiedError, Processes
from demo.scenario import FULL, NAMESPACE, SHORT, Scenario
from demo.stack import ROOT, Stack, bring_up, new_folder, start_load
from demo.verdict import Check, Observation, finished, judge

POLL_SECONDS = 1.0
READY_SECONDS = 40.0
PLAIN_WIDTH = 120


def main() -> int:
    """Run the demo; 0 only if the replicas went 1 -> 4 -> 1."""
    arguments = _arguments()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    scenario = SHORT if arguments.short else FULL
    folder = new_folder()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'hack'}{os.pathsep}{ROOT / 'hack/vllme'}"}
    environment["KUBECONFIG"] = str(folder / "kubeconfig")
    try:
        with _terminate_as_interrupt(), Processes(folder / "logs", environment) as processes:
            checks = _run(processes, folder, scenario, console, arguments)
    except KeyboardInterrupt:
        console.print("\nInterrupted: everything that was started has been stopped.")
        return 130
    except (ProcessDiedError, TimeoutError, RuntimeError) as error:
        console.print(f"[red]The demo cannot go on:[/red] {error}", markup=True)
        return 1
    return 0 if all(check.passed for check in checks) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make demo",
        description="Runs the seed's scenario on this machine: 1 -> 4 replicas under load, and back to 1.",
        epilog="make demo; make demo DEMO=short; make demo KEEP=1; make demo CLUSTER=real",
    )
    parser.add_argument("--short", action="store_true", help="a shorter load: under 3 minutes in all")
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument(
        "--cluster",
        choices=["development", "real"],
        default="development",
        help="real: on etcd, kube-apiserver and kube-controller-manager of `make tools`",
    )
    return parser.parse_args()


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that no child process is left."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _run(
    processes: Processes,
    folder: Path,
    scenario: Scenario,
    console: Console,
    arguments: argparse.Namespace,
) -> list[Check]:
    console.rule("Inferno-Autoscaler: the seed's scenario")
    stack = bring_up(
        processes,
        folder,
        scenario,
        lambda step: console.print(f"  starting  {step}"),
        real=arguments.cluster == "real",
    )
    watches = {resource: stack.watch(resource, NAMESPACE) for resource in ("hpa", "va", "deployment")}
    observations = _play(stack, scenario, console)
    checks = judge(observations, scenario)
    show.kubectl_outputs(console, stack, watches)
    show.latencies(console, folder / "loadgen.jsonl")
    show.verdict(console, checks)
    if arguments.keep:
        show.how_to_use(console, stack)
        while True:
            processes.check()
            time.sleep(POLL_SECONDS)
    return checks


def _play(stack: Stack, scenario: Scenario, console: Console) -> list[Observation]:
    """Wait for the first plan, send the load, and observe until everything is back or time is up."""
    table = show.LiveTable(console, scenario)
    observations: list[Observation] = []
    started = time.monotonic()
    load, load_report = None, stack.folder / "loadgen.jsonl"
    while True:
        seconds = time.monotonic() - started
        loaded = load is not None and load.process.poll() is None
        observation = observe(stack, load_report, seconds=seconds, now=time.time(), loaded=loaded)
        observations.append(observation)
        table.add(observation)
        if load is None:
            if (
                observation.ready == 1
                and observation.desired == 1
                and observation.arrival_rate_rpm is not None
            ):
                console.print(
                    f"  load: {scenario.rate_rpm} requests/min for {scenario.load_seconds} s, Poisson"
                )
                load, load_report = start_load(stack, scenario)
            elif seconds > READY_SECONDS:
                raise TimeoutError(
                    f"no plan for a ready replica within {READY_SECONDS:.0f} s; see {stack.folder}"
                )
        elif load.process.poll() is not None and load in stack.processes.children:
            stack.processes.children.remove(load)  # it ended by itself: no longer something to watch over
        if (load is not None and finished(observations)) or seconds > scenario.limit_seconds:
            return observations
        stack.processes.check()
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
