"""Starts a whole control plane: which part comes first, and when it is up."""

import contextlib
import datetime as dt
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from controlplane.certificates import Authority
from controlplane.children import Children
from controlplane.core import Core, Identities
from controlplane.kubeconfig import write_kubeconfig
from controlplane.monitoring import start_prometheus, start_thanos
from controlplane.options import Options
from controlplane.plane import ControlPlane
from controlplane.probes import free_ports, says
from tools.programs import CORE, MONITORING, ROOT, find_programs, tools_folders


@contextlib.contextmanager
def running_control_plane(
    folder: Path, options: Options | None = None, *, kubeconfig: Path | None = None
) -> Iterator[ControlPlane]:
    """Start everything in `folder` (data, certificates, logs/NAME.log), and stop everything on leaving.

    Raises MissingProgramError, or ChildFailedError with the end of the log of what did not start.
    """
    options = options or Options()
    programs = find_programs((*CORE, *(MONITORING if options.monitoring else ())), tools_folders())
    started = time.monotonic()
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    roots = [str(ROOT / "hack"), str(ROOT / "hack/vllme"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots), "PYTHONUNBUFFERED": "1"}
    with Children(folder / "logs", environment) as children:
        monitoring = start_prometheus(folder, programs, children) if options.monitoring else None
        core = _start_core(folder, programs, children, options)
        own = core.identities
        admin = write_kubeconfig(
            kubeconfig or folder / "kubeconfig",
            server=core.api_url,
            authority=own.authority.file,
            user=own.admin,
        )
        ports = _service_ports(options)
        plane = ControlPlane(folder, options, children, core, admin, ports, programs=programs)
        if options.pods:
            _start_pods(plane)
        if monitoring is not None:
            plane.monitoring = start_thanos(plane, monitoring)
        for child in children.all.values():
            child.wait_until_ready()
        plane.start_seconds = time.monotonic() - started
        yield plane


def _start_core(folder: Path, programs: Mapping[str, Path], children: Children, options: Options) -> Core:
    certificates = folder / "certificates"
    certificates.mkdir(mode=0o700, exist_ok=True)
    now = dt.datetime.now(dt.UTC)
    identities = Identities.create(
        Authority.create(certificates, "ca", now), Authority.create(certificates, "front-proxy-ca", now)
    )
    etcd, peer, api, controllers = free_ports(4)
    core = Core(folder, programs, identities, etcd, peer, options.port or api, controllers)
    core.start_etcd(children).wait_until_ready()
    core.start_api_server(children).wait_until_ready()
    core.start_controllers(children, hpa_sync_seconds=options.hpa_sync_seconds, workloads=options.workloads)
    return core


def _service_ports(options: Options) -> Mapping[str, int]:
    wanted = dict.fromkeys(options.services, 0) | dict(options.mapped)
    free = free_ports(len(wanted))
    return {name: port or other for (name, port), other in zip(wanted.items(), free, strict=True)}


def _start_pods(plane: ControlPlane) -> None:
    """The development cluster's kubelet, scheduler and Service proxy: they speak only the Kubernetes API."""
    options, logs = plane.options, plane.children.logs
    words = [
        "--nodes", options.nodes, "--gpus", options.gpus, "--device", options.device,
        "--startup-seconds", options.startup_seconds, "--log-level", options.log_level,
    ]  # fmt: skip
    for pool in options.pools:
        words += ["--pool", pool]
    for name, value in options.emulator_variables.items():
        words += ["--emulator-env", f"{name}={value}"]
    mapped = [word for name, port in plane.service_ports.items() for word in ("--map", f"{name}={port}")]
    node_ports = "--node-ports" if options.node_ports else "--no-node-ports"
    for name, arguments in (("kubelet", words), ("proxy", [node_ports, *mapped])):
        module = [sys.executable, "-m", f"devcluster.{name}", "--kubeconfig", str(plane.kubeconfig)]
        plane.children.start(name, [*module, *arguments], ready=says(logs / f"{name}.log", "ready"))
