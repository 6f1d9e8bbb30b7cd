"""Names of the packages that a locked requirements file pins."""

import re

from packaging.requirements import Requirement

_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?==[^\\#\n]+)", re.MULTILINE)


def locked_names(requirements: str, *, any_platform: bool = False) -> set[str]:
    """Normal names of what is pinned for this platform, or for any.

    Example: `colorama==0.4.6 ; sys_platform == 'win32'` is pinned, but not for Linux.
    """
    pinned = [Requirement(line.strip()) for line in _PINNED.findall(requirements)]
    return {normal(it.name) for it in pinned if any_platform or it.marker is None or it.marker.evaluate()}


def normal(name: str) -> str:
    """The name as package indexes compare it: `Prometheus_Client` is `prometheus-client`."""
    return re.sub(r"[-_.]+", "-", name).lower()
