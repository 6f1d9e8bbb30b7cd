"""Asks the API server who a token belongs to (TokenReview) and what they may do (SubjectAccessReview).

Needs what the ClusterRole `system:auth-delegator` grants. Nothing is remembered here.
"""

from collections.abc import Mapping
from typing import Any, Final

from inferno_shared.access import Identity, Verdict
from inferno_shared.errors import KubernetesError, UnreachableError
from inferno_shared.kubernetes.client import JsonObject, KubernetesClient
from inferno_shared.kubernetes.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource

ATTEMPTS: Final = 2  # a review changes nothing: one cut connection need not fail it


class AccessReviewer:
    """The `Reviewer` that is an API server. Every failure to decide is a KubernetesError."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client

    async def authenticate(self, token: str, audiences: tuple[str, ...]) -> Identity | None:
        """Return whom `token` belongs to if it is valid for one of `audiences` (none: the API server's)."""
        spec = {"token": token} | ({"audiences": list(audiences)} if audiences else {})
        status = await self._review(TOKEN_REVIEWS, spec)
        if status.get("authenticated") is not True:
            return None
        # An API server that knows no audiences leaves them out: it has then checked for another one.
        if audiences and not set(audiences) & set(_texts(status.get("audiences"))):
            return None
        user = status.get("user")
        name = user.get("username") if isinstance(user, dict) else None
        if not isinstance(user, dict) or not isinstance(name, str) or not name:
            raise KubernetesError("create tokenreviews: the answer says authenticated, but names no user")
        extra = user.get("extra")
        return Identity(
            name,
            uid=str(user.get("uid") or ""),
            groups=_texts(user.get("groups")),
            extra=tuple(sorted((str(key), _texts(values)) for key, values in extra.items()))
            if isinstance(extra, dict)
            else (),
        )

    async def authorize(self, identity: Identity, verb: str, path: str) -> Verdict:
        """Return whether `identity` may `verb` the non-resource URL `path`."""
        spec = {
            "user": identity.name,
            "uid": identity.uid,
            "groups": list(identity.groups),
            "extra": {key: list(values) for key, values in identity.extra},
            "nonResourceAttributes": {"path": path, "verb": verb},
        }
        status = await self._review(SUBJECT_ACCESS_REVIEWS, spec)
        allowed = status.get("allowed") is True and status.get("denied") is not True
        return Verdict(allowed, str(status.get("reason") or ""))

    async def _review(self, resource: Resource, spec: Mapping[str, Any]) -> JsonObject:
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._client.create(resource, body)
            except UnreachableError:
                if attempt == ATTEMPTS:
                    raise
            else:
                break
        status = answer.get("status")
        if not isinstance(status, dict):
            raise KubernetesError(f"create {resource.plural}: the answer has no status")
        return status


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
