"""Keeps a deposed leader from writing: each write carries the leader's term, and no term undoes a later one.

The protocol
1. A term is the Lease's `leaseTransitions` at the time it was won: the fencing token.
2. Every status carries the token of its writer in `.status.actuation.fencingToken`, and every write is bound
   to the resourceVersion that was read just before. A new leader's first cycle writes its token into every
   status, changed or not.
3. An object with a higher token than one's own is not written: a later leader was there. Whatever the
   deposed one had read before that is void, because the later leader's write changed the version.
4. Before a scale target is changed (mode direct) its scale is read first, then the object's token is
   checked: if a later leader scales in between, the scale's version has changed and the write is refused.

So a process that was paused, cut off or slow between the check of its lease and its write changes nothing
that a later leader has touched, whatever its clock says. Its lease's own clock (see `LeaseElector`) makes
that rare; the token makes it certain.

A Lease that somebody deletes counts from 0 again, and objects keep higher tokens. Its holder would refuse
for ever to write; so it asks the Lease, and if that is really its own, lifts the count above the token seen.
"""

from typing import Protocol

import structlog

from inferno_actuator.leader import LEASE_NAME, Leadership
from inferno_shared.errors import KubernetesError
from inferno_shared.kubernetes import LEASES, KubernetesClient

log = structlog.stdlib.get_logger(__name__)


class Fence(Protocol):
    """The term of this process."""

    @property
    def token(self) -> int | None:
        """What writes carry; None when there is no election: then nothing is fenced."""
        ...

    @property
    def may_write(self) -> bool:
        """Whether this process leads, as far as it knows."""
        ...

    async def outrun(self, seen: int) -> bool:
        """Whether this process leads in spite of a higher token on an object, and has a higher one now."""
        ...


class NoFence:
    """Without an election there is one writer: nothing to fence."""

    token: int | None = None
    may_write: bool = True

    async def outrun(self, _seen: int) -> bool:
        """Nothing is higher than nothing."""
        return False


class LeaseFence:
    """The term of a process that competes for the actuators' Lease.

    Args:
        client: reads and writes the Lease.
        leadership: of this process.
        namespace: of the Lease.
        identity: of this process, as in the Lease.
    """

    def __init__(
        self, client: KubernetesClient, leadership: Leadership, *, namespace: str, identity: str
    ) -> None:
        self._client = client
        self._leadership = leadership
        self._namespace = namespace
        self._identity = identity
        self._lifted = 0

    @property
    def token(self) -> int | None:
        """The Lease's transitions at our term, or what they were lifted to since."""
        return max(self._leadership.transitions, self._lifted)

    @property
    def may_write(self) -> bool:
        """Whether our lease is still ours by our own clock."""
        return self._leadership.is_leader

    async def outrun(self, seen: int) -> bool:
        """Ask the Lease who leads; lift its count above `seen` when it is us."""
        if not self._leadership.is_leader:
            return False
        try:
            lease = await self._client.get(LEASES, LEASE_NAME, self._namespace)
            spec = lease.get("spec") or {}
            if spec.get("holderIdentity") != self._identity:
                log.warning("a later leader wrote, this one writes no more", token=self.token, seen=seen)
                return False
            count = int(spec.get("leaseTransitions") or 0)
            if count <= seen:
                count = seen + 1
                lifted = {**lease, "spec": {**spec, "leaseTransitions": count}}
                await self._client.replace(LEASES, lifted, LEASE_NAME, self._namespace)
        except KubernetesError as error:
            log.warning("the Lease does not tell who leads, nothing is written", reason=str(error))
            return False
        self._lifted = count
        log.warning("the Lease had lost its count, it was lifted", token=count, seen=seen)
        return True
