"""Who runs the loop. Without an election this process does; with one, whoever holds the Lease.

`transitions` counts how often the Lease changed hands: a fencing token for writes.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from inferno_shared.kubernetes import KubernetesClient, LeaseElector

LEASE_NAME: Final = "inferno-autoscaler-controller-manager"


class Leadership(Protocol):
    """Whether this process may decide and write."""

    @property
    def is_leader(self) -> bool:
        """Whether it may, at this moment."""
        ...

    @property
    def transitions(self) -> int:
        """How often leadership changed hands up to our own term."""
        ...

    @property
    def holder(self) -> str | None:
        """Who leads, as far as known."""
        ...

    @property
    def annotations(self) -> Mapping[str, str]:
        """What the leader, or the one before, has published with its lease."""
        ...

    async def run(self) -> None:
        """Compete until cancelled, then let go."""
        ...


class SoleLeader:
    """The only process of its kind: always the leader."""

    is_leader: bool = True
    transitions: int = 0

    def __init__(self, identity: str) -> None:
        self.holder: str | None = identity
        self.annotations: Mapping[str, str] = {}

    async def run(self) -> None:
        """Nothing to compete for."""


def elected(
    client: KubernetesClient,
    *,
    namespace: str,
    identity: str,
    on_change: Callable[[bool], None],
    publish: Callable[[], Mapping[str, str]],
) -> Leadership:
    """Compete for the actuators' Lease in `namespace`, and publish annotations with it while leading."""
    return LeaseElector(client, namespace, LEASE_NAME, identity, on_change=on_change, publish=publish)
