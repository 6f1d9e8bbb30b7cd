"""Starts the controllers on shared caches; every change wakes the controllers that it concerns."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from devcluster.controllers.deployment_controller import DeploymentController
from devcluster.controllers.hpa import DEFAULT_TOLERANCE
from devcluster.controllers.hpa_controller import DEFAULT_SYNC_SECONDS, HpaController
from devcluster.controllers.hpa_spec import parse_hpa
from devcluster.controllers.passes import Wakeup, run_passes
from devcluster.controllers.reading import careful
from devcluster.controllers.replica_set_controller import ReplicaSetController
from devcluster.controllers.workloads import parse_deployment, parse_owned_pod, parse_replica_set
from inferno_shared.kubernetes import (
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    PODS,
    REPLICA_SETS,
    EventRecorder,
    KubernetesClient,
    ResourceCache,
)

SYNC_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """What differs between the demo, tests and a real cluster's pace."""

    hpa_sync_seconds: float = DEFAULT_SYNC_SECONDS
    hpa_tolerance: float = DEFAULT_TOLERANCE


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


async def run_controllers(
    client: KubernetesClient,
    settings: ControllerSettings,
    *,
    ready: Callable[[], None] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Run the Deployment, ReplicaSet and HPA controllers until cancelled; `ready` is called once they do."""
    deployment_wakeup, replica_set_wakeup, hpa_wakeup = Wakeup(), Wakeup(), Wakeup()

    def replica_sets_changed() -> None:
        deployment_wakeup.set()
        replica_set_wakeup.set()

    deployments = ResourceCache(
        client, DEPLOYMENTS, careful(parse_deployment), on_change=deployment_wakeup.set
    )
    replica_sets = ResourceCache(
        client, REPLICA_SETS, careful(parse_replica_set), on_change=replica_sets_changed
    )
    pods = ResourceCache(client, PODS, careful(parse_owned_pod), on_change=replica_set_wakeup.set)
    hpas = ResourceCache(client, HORIZONTAL_POD_AUTOSCALERS, careful(parse_hpa), on_change=hpa_wakeup.set)
    caches = (deployments, replica_sets, pods, hpas)
    deployment_controller = DeploymentController(
        client,
        deployments.objects,
        replica_sets.objects,
        EventRecorder(client, "deployment-controller"),
        clock,
    )
    replica_set_controller = ReplicaSetController(client, replica_sets.objects, pods.objects, clock)
    hpa_controller = HpaController(
        client,
        hpas.objects,
        EventRecorder(client, "horizontal-pod-autoscaler"),
        clock,
        sync_seconds=settings.hpa_sync_seconds,
        tolerance=settings.hpa_tolerance,
    )
    async with asyncio.TaskGroup() as tasks:
        for cache in caches:
            tasks.create_task(cache.run())
        for cache in caches:
            await cache.wait_until_synced(SYNC_TIMEOUT_SECONDS)
        for name, wakeup, one_pass in (
            ("deployment", deployment_wakeup, deployment_controller.one_pass),
            ("replicaset", replica_set_wakeup, replica_set_controller.one_pass),
            ("hpa", hpa_wakeup, hpa_controller.one_pass),
        ):
            tasks.create_task(run_passes(name, wakeup, one_pass))
        if ready is not None:
            ready()
