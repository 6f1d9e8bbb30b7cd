"""A cluster's opinion about callers, without a cluster."""

import asyncio
from dataclasses import dataclass, field

from inferno_shared.access import Identity, Verdict
from inferno_shared.errors import InfernoError


@dataclass
class FakeReviewer:
    """`tokens` are valid; `allowed` are (name, verb, path). While `held` is set, nothing is answered."""

    tokens: dict[str, Identity] = field(default_factory=dict)
    allowed: set[tuple[str, str, str]] = field(default_factory=set)
    down: bool = False
    held: asyncio.Event | None = None
    asked_tokens: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    asked_access: list[tuple[str, str, str]] = field(default_factory=list)

    async def authenticate(self, token: str, audiences: tuple[str, ...]) -> Identity | None:
        self.asked_tokens.append((token, audiences))
        await self._ready()
        return self.tokens.get(token)

    async def authorize(self, identity: Identity, verb: str, path: str) -> Verdict:
        self.asked_access.append((identity.name, verb, path))
        await self._ready()
        allowed = (identity.name, verb, path) in self.allowed
        return Verdict(allowed, "" if allowed else "no RBAC policy matched")

    async def _ready(self) -> None:
        if self.held is not None:
            await self.held.wait()
        if self.down:
            raise InfernoError("create tokenreviews: connection refused")
