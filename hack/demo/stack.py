"""Brings the whole product up on this machine: development cluster, the seed's manifests, three services."""

import datetime as dt
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.certificate import write_certificate
from demo.processes import Child, Processes, wait_for
from demo.scenario import DEVICE, GPUS_PER_NODE, MODEL, NAMESPACE, NODES, SYSTEM_NAMESPACE, Scenario

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MANIFESTS = Path(__file__).parent / "manifests"
START_SECONDS = 40.0
KUBECTL_SECONDS = 30.0


@dataclass(frozen=True)
class Ports:
    """Where the services listen on 127.0.0.1."""

    collector: int
    optimizer: int
    actuator: int
    model: int


@dataclass(frozen=True)
class Stack:
    """Everything that runs, and how to reach it."""

    processes: Processes
    folder: Path
    kubeconfig: Path
    ports: Ports
    certificate: Path

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it prints; raise RuntimeError with its message when it fails."""
        done = subprocess.run(
            [BIN / "kubectl", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=KUBECTL_SECONDS,
            check=False,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
        )
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout

    def watch(self, resource: str, namespace: str) -> Path:
        """Run the guide's `kubectl get … -w` beside the demo; return the file that it writes."""
        output = self.folder / f"get-{resource}.txt"
        self.processes.start(
            f"kubectl-get-{resource}",
            [str(BIN / "kubectl"), "get", resource, "-n", namespace, "-w"],
            output=output,
        )
        return output


def free_port(preferred: int) -> int:
    """The preferred port of 127.0.0.1 if nobody has it, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RuntimeError("no free port on 127.0.0.1")


def new_folder() -> Path:
    """An empty `.demo` folder of the checkout for logs, kubeconfig and certificates."""
    folder = ROOT / ".demo"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    return folder


def bring_up(
    processes: Processes,
    folder: Path,
    scenario: Scenario,
    tell: Callable[[str], None],
    *,
    real: bool = False,
) -> Stack:
    """Start everything and wait until it is ready, telling each step; `real`: on a real control plane."""
    certificate, key = write_certificate(folder, dt.datetime.now(dt.UTC))
    stack = Stack(
        processes=processes,
        folder=folder,
        kubeconfig=folder / "kubeconfig",
        ports=Ports(free_port(8081), free_port(8082), free_port(8443), free_port(30000)),
        certificate=certificate,
    )
    kind = "real control plane" if real else "development cluster"
    tell(f"{kind}: {NODES} nodes x {GPUS_PER_NODE} {DEVICE}")
    _start_cluster(stack, scenario, real=real)
    tell("the seed's manifests: CRD, ConfigMaps, vLLM Deployment and Service")
    _apply_manifests(stack, scenario)
    tell("collector, optimizer and actuator, each a process of its own")
    _start_services(stack, scenario, key)
    tell("the seed's VariantAutoscaling and HPA")
    stack.kubectl("apply", "-f", str(ROOT / "config/samples/vllm-va.yaml"))
    stack.kubectl("apply", "-f", str(ROOT / "config/samples/hpa-integration.yaml"))
    return stack


def _start_cluster(stack: Stack, scenario: Scenario, *, real: bool) -> None:
    module = ["controlplane", "--without-monitoring"] if real else ["devcluster", "--no-node-ports"]
    stack.processes.start(
        module[0],
        [
            sys.executable, "-m", *module,
            "--nodes", str(NODES), "--gpus", str(GPUS_PER_NODE), "--device", DEVICE,
            "--port", "0", "--kubeconfig", str(stack.kubeconfig),
            "--startup-seconds", str(scenario.startup_seconds),
            "--hpa-sync-seconds", str(scenario.hpa_sync_seconds),
            "--map", f"{NAMESPACE}/vllm-service={stack.ports.model}",
        ],
    )  # fmt: skip

    def nodes_are_ready() -> bool:
        if not stack.kubeconfig.exists():
            return False
        try:
            nodes = json.loads(stack.kubectl("get", "nodes", "-o", "json"))["items"]
        except (RuntimeError, subprocess.TimeoutExpired):
            return False
        return len(nodes) == NODES

    wait_for("the cluster's start", nodes_are_ready, seconds=START_SECONDS, alive=stack.processes)


def _apply_manifests(stack: Stack, scenario: Scenario) -> None:
    for namespace in (NAMESPACE, SYSTEM_NAMESPACE, "openshift-user-workload-monitoring"):
        stack.kubectl("create", "namespace", namespace)
    for crd in (ROOT / "config/crd", MANIFESTS / "servicemonitor-crd.yaml"):
        stack.kubectl("apply", "-f", str(crd))
    stack.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=15s")
    for manifest in (
        ROOT / "config/manager/configmap.yaml",
        ROOT / "config/samples/acc-servclass-configmap.yaml",
        ROOT / "config/samples/inferno-servicemon-ocp.yaml",
    ):
        stack.kubectl("apply", "-f", str(manifest))
    settings = json.dumps({"data": {"GLOBAL_OPT_INTERVAL": f"{scenario.interval_seconds}s"}})
    stack.kubectl(
        "patch", "configmap", "inferno-autoscaler-variantautoscaling-config",
        "-n", SYSTEM_NAMESPACE, "--type=merge", "-p", settings,
    )  # fmt: skip
    stack.kubectl(
        "create", "secret", "-n", NAMESPACE, "generic", "llm-d-hf-token", "--from-literal=token=not-a-token"
    )
    stack.kubectl("apply", "-f", str(ROOT / "config/samples/vllm-deployment-service-servicemon.yaml"))
    for source in (MANIFESTS / "metrics-service.yaml", ROOT / "config/external-metrics/apiservice.yaml"):
        text = source.read_text().replace("port: 8443", f"port: {stack.ports.actuator}")
        stack.kubectl("apply", "-f", "-", stdin=text)


def _start_services(stack: Stack, scenario: Scenario, key: Path) -> None:
    kubeconfig = str(stack.kubeconfig)
    collector_url = f"http://127.0.0.1:{stack.ports.collector}"
    optimizer_url = f"http://127.0.0.1:{stack.ports.optimizer}"
    services: list[tuple[str, int, dict[str, str]]] = [
        (
            "collector",
            stack.ports.collector,
            {
                "KUBECONFIG": kubeconfig,
                "INFERNO_LOAD_SOURCE": "scrape",
                "INFERNO_SCRAPE_INTERVAL_SECONDS": str(scenario.scrape_seconds),
                "INFERNO_LOAD_WINDOW_SECONDS": str(scenario.window_seconds),
            },
        ),
        ("optimizer", stack.ports.optimizer, {}),
        (
            "actuator",
            stack.ports.actuator,
            {
                "KUBECONFIG": kubeconfig,
                "INFERNO_COLLECTOR_URL": collector_url,
                "INFERNO_OPTIMIZER_URL": optimizer_url,
                "INFERNO_EXTERNAL_METRICS": "true",
                "INFERNO_TLS_CERT_FILE": str(stack.certificate),
                "INFERNO_TLS_KEY_FILE": str(key),
            },
        ),
    ]
    for name, port, variables in services:
        stack.processes.start(
            name,
            [str(BIN / f"inferno-{name}"), "--host", "127.0.0.1", "--port", str(port)],
            variables=variables,
        )
    for name, port, _ in services:
        wait_for(f"the {name}'s start", _listens(port), seconds=START_SECONDS, alive=stack.processes)


def _listens(port: int) -> Callable[[], bool]:
    def probe() -> bool:
        with socket.socket() as connection:
            connection.settimeout(0.5)
            return connection.connect_ex(("127.0.0.1", port)) == 0

    return probe


def start_load(stack: Stack, scenario: Scenario) -> tuple[Child, Path]:
    """Start the guide's load generator; return it and the file with a line for each finished request."""
    report = stack.folder / "loadgen.jsonl"
    child = stack.processes.start(
        "loadgen",
        [
            sys.executable, str(ROOT / "hack/vllme/vllm_emulator/loadgen.py"),
            "--model", MODEL,
            "--rate", f"[[{scenario.load_seconds}, {scenario.rate_rpm}]]",
            "--url", f"http://127.0.0.1:{stack.ports.model}/v1",
            "--content", str(scenario.prompt_tokens),
            "--seed", str(scenario.arrivals_seed),
            "--report", str(report),
        ],
    )  # fmt: skip
    return child, report
