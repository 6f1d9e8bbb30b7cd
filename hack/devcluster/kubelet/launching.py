"""What a pod's emulator is started with: the container's arguments and variables, its address, defaults."""

import base64
import binascii
from collections.abc import Mapping

from devcluster.kubelet.addresses import PodAddress
from devcluster.kubelet.environment import key_references, resolve
from devcluster.kubelet.pods import ScheduledPod
from devcluster.kubelet.processes import Launch
from devcluster.kubelet.servers import VARIABLE_PREFIX, ModelServer, expand
from inferno_shared.errors import InfernoError
from inferno_shared.kubernetes import CONFIG_MAPS, JsonObject, KubernetesClient, Resource

DRAIN_VARIABLE = "VLLME_DRAIN_SECONDS"
SECRETS = Resource("", "v1", "secrets", "Secret")


async def prepare_launch(
    client: KubernetesClient,
    pod: ScheduledPod,
    server: ModelServer,
    address: PodAddress,
    defaults: Mapping[str, str],
) -> tuple[Launch, tuple[str, ...]]:
    """The launch, and a sentence for each variable that could not be resolved.

    Of the container's variables only `VLLME_…` reach the emulator: nothing else concerns it, and a token of
    a Secret has no business in another process.
    """
    stores = await _read_stores(client, pod, server)
    environment = resolve(pod, server.container.env, stores, address.ip)
    arguments = [expand(argument, environment.variables) for argument in server.arguments]
    own = {name: value for name, value in environment.variables.items() if name.startswith(VARIABLE_PREFIX)}
    grace = {DRAIN_VARIABLE: str(pod.grace_seconds)}  # what is under way at a deletion may end by then
    launch = Launch(
        arguments=(*_without_listener(arguments), "--host", address.ip, "--port", str(address.port)),
        variables={**grace, **defaults, **own},
    )
    return launch, environment.problems


def _without_listener(arguments: list[str]) -> list[str]:
    """The arguments without `--host` and `--port`, which the kubelet sets."""
    kept: list[str] = []
    skip_value = False
    for argument in arguments:
        if skip_value:
            skip_value = False
            continue
        flag, equals, _ = argument.partition("=")
        if flag in {"--host", "--port"}:
            skip_value = not equals
            continue
        kept.append(argument)
    return kept


async def _read_stores(
    client: KubernetesClient, pod: ScheduledPod, server: ModelServer
) -> dict[tuple[str, str], Mapping[str, str] | None]:
    stores: dict[tuple[str, str], Mapping[str, str] | None] = {}
    for reference in key_references(server.container.env):
        key = (reference.kind, reference.name)
        if key in stores:
            continue
        resource = SECRETS if reference.kind == "Secret" else CONFIG_MAPS
        try:
            raw = await client.get(resource, reference.name, pod.pod.metadata.namespace)
        except InfernoError:  # not there, or not for us to read: the emulator does without
            stores[key] = None
        else:
            stores[key] = _texts(raw, encoded=reference.kind == "Secret")
    return stores


def _texts(raw: JsonObject, *, encoded: bool) -> dict[str, str]:
    data = raw.get("data") or {}
    if not encoded:
        return {key: str(value) for key, value in data.items()}
    texts = {}
    for key, value in data.items():
        try:
            texts[key] = base64.b64decode(value).decode(errors="replace")
        except (binascii.Error, ValueError):
            texts[key] = ""
    return texts
