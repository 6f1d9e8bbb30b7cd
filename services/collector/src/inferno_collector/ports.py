"""Finds the port on which a pod exposes its metrics, from what the cluster says anyway.

In order: the annotation `prometheus.io/port`; the target port of a Service that selects the pod; the argument
`--port` of a serving container; the first declared container port; the default.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from inferno_shared.kubernetes import Container, Pod, Service

_ANNOTATION: Final = "prometheus.io/port"
_HIGHEST_PORT: Final = 65_535


def metrics_port(pod: Pod, services: Iterable[Service], default: int) -> int:
    """Port of `pod`; `services` are those of its namespace. The seed's pod: 8200, from its Service."""
    annotated = _port(pod.metadata.annotations.get(_ANNOTATION, ""))
    return (
        annotated
        or _from_services(pod, services)
        or _from_arguments(pod.containers)
        or next((port.port for container in pod.containers for port in container.ports), default)
    )


def argument(containers: Iterable[Container], flag: str) -> str | None:
    """Value of a command line flag, written "--flag value" or "--flag=value"; the first container with it."""
    for container in containers:
        words = (*container.command, *container.args)
        for word, following in pairwise((*words, "")):
            if word == flag and following:
                return following
            if word.startswith(f"{flag}="):
                return word.partition("=")[2] or None
    return None


def _from_services(pod: Pod, services: Iterable[Service]) -> int | None:
    for service in sorted(services, key=lambda service: service.metadata.name):
        if service.selects(pod.metadata.labels):
            for port in service.ports:
                target = port.target_port
                number = target if isinstance(target, int) else _named(pod.containers, target)
                if number:
                    return number
    return None


def _named(containers: Sequence[Container], name: str) -> int | None:
    return next((p.port for container in containers for p in container.ports if p.name == name), None)


def _from_arguments(containers: Iterable[Container]) -> int | None:
    return _port(argument(containers, "--port") or "")


def _port(text: str) -> int | None:
    return int(text) if text.isdecimal() and 0 < int(text) <= _HIGHEST_PORT else None
