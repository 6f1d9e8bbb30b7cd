"""What the demo prints: the live table, the guide's kubectl outputs, latencies and the verdict."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from demo.observe import percentile, requests
from demo.scenario import MODEL, NAMESPACE, SLO_ITL_MS, SLO_TTFT_MS, Scenario
from demo.stack import BIN, ROOT, Stack
from demo.verdict import Check, Observation

ROW_SECONDS = 5.0
_HEADER = (
    f"{'time':>6}  {'load':<6}{'req/min':>8}{'desired':>9}{'replicas':>10}{'ready':>7}"
    f"{'ITL p95':>10}{'TTFT p95':>11}{'cents/h':>9}"
)


class LiveTable:
    """Prints a row every five seconds, and at once when a number of replicas changes."""

    def __init__(self, console: Console, scenario: Scenario) -> None:
        self._console = console
        self._last: Observation | None = None
        console.print(
            f"\n  SLO: ITL {SLO_ITL_MS:.0f} ms, TTFT {SLO_TTFT_MS:.0f} ms; the loop runs every"
            f" {scenario.interval_seconds} s; arrivals are counted over as long a time as they are steady (at"
            f" most {scenario.window_seconds} s); latencies are those of requests finished in the last 30 s\n"
        )
        console.print(f"[bold]{_HEADER}[/bold]")

    def add(self, row: Observation) -> None:
        """Print `row` if it tells something new."""
        last = self._last
        news = last is None or (row.desired, row.replicas, row.ready, row.loaded) != (
            last.desired,
            last.replicas,
            last.ready,
            last.loaded,
        )
        if last is not None and not news and row.seconds - last.seconds < ROW_SECONDS:
            return
        self._last = row
        self._console.print(
            f"{row.seconds:>5.0f}s  {'on' if row.loaded else '-':<6}{_text(row.arrival_rate_rpm, 1):>8}"
            f"{_text(row.desired):>9}{_text(row.replicas):>10}{_text(row.ready):>7}"
            f"{_against(row.itl_p95_ms, SLO_ITL_MS, 10)}{_against(row.ttft_p95_ms, SLO_TTFT_MS, 11)}"
            f"{_text(row.cost_per_hour):>9}"
        )


def _text(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _against(value: float | None, slo: float, width: int) -> str:
    text = f"{_text(value, 1):>{width}}"
    if value is None:
        return text
    return f"[{'green' if value <= slo else 'red'}]{text}[/]"


def kubectl_outputs(console: Console, stack: Stack, watches: Mapping[str, Path]) -> None:
    """The guide's three outputs: as watched during the run, and as they are now."""
    for resource, watched in watches.items():
        console.print(f"\n[bold]$ kubectl get {resource} -n {NAMESPACE} -w[/bold]   (during the run)")
        console.print(watched.read_text().rstrip(), markup=False, soft_wrap=True)
    for resource in watches:
        console.print(f"\n[bold]$ kubectl get {resource} -n {NAMESPACE}[/bold]")
        console.print(stack.kubectl("get", resource, "-n", NAMESPACE).rstrip(), markup=False, soft_wrap=True)


def latencies(console: Console, load_report: Path) -> None:
    """What the load generator's clients saw over the whole run, the start on one replica included."""
    done = requests(load_report)
    console.print(f"\nlatency of all {len(done)} requests, the scale-up included")
    table = Table()
    for heading in ("", "p50 ms", "p95 ms", "SLO ms", "within SLO"):
        table.add_column(heading, justify="right")
    for label, key, slo in (("ITL", "itl_ms", SLO_ITL_MS), ("TTFT", "ttft_ms", SLO_TTFT_MS)):
        values = [request[key] for request in done if request[key] is not None]
        within = sum(value <= slo for value in values) / len(values) if values else 0.0
        table.add_row(
            label,
            _text(percentile(values, 0.5), 1),
            _text(percentile(values, 0.95), 1),
            f"{slo:.0f}",
            f"{within:.0%}",
        )
    console.print(table)


def verdict(console: Console, checks: Sequence[Check]) -> None:
    """One line for each check, then passed or failed."""
    console.print()
    for check in checks:
        console.print(f"  {'[green]ok    [/]' if check.passed else '[red]FAILED[/]'}  {check.text}")
    passed = all(check.passed for check in checks)
    console.print(f"\n[bold]{'[green]Verdict: passed' if passed else '[red]Verdict: failed'}[/][/bold]\n")


def how_to_use(console: Console, stack: Stack) -> None:
    """How to play with what KEEP=1 left running."""
    python = BIN / "python"
    console.print(
        f"""Everything is still running; Ctrl-C stops it. In another terminal, from {ROOT}:

  export KUBECONFIG={stack.kubeconfig} PATH={BIN}:$PATH
  kubectl get va,hpa,deployment,pods -n {NAMESPACE}
  kubectl describe va -n {NAMESPACE}
  kubectl get --raw /apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/inferno_desired_replicas
  curl -s http://127.0.0.1:{stack.ports.collector}/snapshot
  curl -s http://127.0.0.1:{stack.ports.collector}/snapshot | curl -s --json @- http://127.0.0.1:{stack.ports.optimizer}/optimize
  curl -s --cacert {stack.certificate} https://localhost:{stack.ports.actuator}/plan
  curl -s --cacert {stack.certificate} https://localhost:{stack.ports.actuator}/metrics
  {python} hack/vllme/vllm_emulator/loadgen.py --model {MODEL} --rate '[[120, 90]]' \\
      --url http://127.0.0.1:{stack.ports.model}/v1 --content 150

Logs: {stack.processes.logs}""",
        markup=False,
        soft_wrap=True,
    )
