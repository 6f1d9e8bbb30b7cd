"""`python -m controlplane.discovery`: the Prometheus operator's part, ServiceMonitors become scrape targets.

Writes two file_sd files: targets over http, and those over https, to which Prometheus sends its token.
"""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import structlog
import typer

from controlplane.targets import (
    MonitoredService,
    ServiceMonitor,
    Target,
    find_targets,
    parse_service_monitor,
)
from devcluster.controllers.passes import Wakeup, run_passes
from devcluster.kubelet.signals import run_program
from inferno_shared.kubernetes import (
    PODS,
    SERVICES,
    JsonObject,
    KubernetesClient,
    Resource,
    ResourceCache,
    parse_metadata,
    parse_pod,
    parse_service,
)
from inferno_shared.service import configure_logging

SERVICE_MONITORS = Resource("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor")
PLAIN, SECURED = "plain.json", "secured.json"
SYNC_SECONDS = 30.0

log = structlog.stdlib.get_logger(__name__)


async def follow(client: KubernetesClient, folder: Path) -> None:
    """Keep the two files in `folder` current until cancelled."""
    wakeup = Wakeup()
    monitors = ResourceCache(client, SERVICE_MONITORS, _monitor, on_change=wakeup.set)
    services = ResourceCache(client, SERVICES, _service, on_change=wakeup.set)
    pods = ResourceCache(client, PODS, parse_pod, on_change=wakeup.set)

    async def one_pass() -> None:
        targets = find_targets(monitors.objects.values(), services.objects.values(), pods.objects.values())
        write_targets(folder, targets)

    async with asyncio.TaskGroup() as tasks:
        for cache in (monitors, services, pods):
            tasks.create_task(cache.run())
        for cache in (monitors, services, pods):
            await cache.wait_until_synced(SYNC_SECONDS)
        print("ready", flush=True)
        tasks.create_task(run_passes("discovery", wakeup, one_pass))


def write_targets(folder: Path, targets: list[Target]) -> None:
    """Replace the files whose content changes, each in one step."""
    for name, secured in ((PLAIN, False), (SECURED, True)):
        chosen = [target.as_file_sd() for target in targets if (target.scheme == "https") == secured]
        text, path = json.dumps(chosen, indent=1), folder / name
        if path.exists() and path.read_text() == text:
            continue
        fresh = path.with_suffix(".tmp")
        fresh.write_text(text)
        fresh.replace(path)
        log.info("targets", file=name, targets=[entry["targets"][0] for entry in chosen])


def _monitor(raw: JsonObject) -> ServiceMonitor:
    return parse_service_monitor(raw, parse_metadata(raw))


def _service(raw: JsonObject) -> MonitoredService:
    local = (raw.get("spec") or {}).get("type") == "ExternalName"
    return MonitoredService(parse_service(raw), local=local)


def main(
    kubeconfig: Annotated[Path, typer.Option(help="cluster whose ServiceMonitors to follow")],
    folder: Annotated[Path, typer.Option(help="where plain.json and secured.json are kept")],
) -> None:
    """Follow ServiceMonitors, Services and pods, and write Prometheus' targets."""
    configure_logging("info")

    async def serve() -> None:
        async with KubernetesClient.connect(kubeconfig=str(kubeconfig)) as client:
            await follow(client, folder)

    run_program(serve())


if __name__ == "__main__":
    typer.run(main)
