"""Who asks, and whether they may: the words that the service kit and the Kubernetes part share.

The service kit decides with a `Reviewer` that it does not know; `inferno_shared.kubernetes` has the one that
asks an API server. So a service without a Kubernetes client carries none.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated caller, as Kubernetes describes users."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a caller may do what it asks for; `reason` is the authorizer's own."""

    allowed: bool
    reason: str = ""


class Reviewer(Protocol):
    """Checks tokens and permissions. Both raise InfernoError when they cannot tell."""

    async def authenticate(self, token: str, audiences: tuple[str, ...]) -> Identity | None:
        """Return whom `token` belongs to if it is valid for one of `audiences` (none: the API server's)."""

    async def authorize(self, identity: Identity, verb: str, path: str) -> Verdict:
        """Return whether `identity` may `verb` the URL path `path`."""


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """Which client is the API server's aggregator, and in which headers it says for whom it asks."""

    authority_pem: str
    allowed_names: frozenset[str]
    username_headers: tuple[str, ...]
    group_headers: tuple[str, ...] = ()
