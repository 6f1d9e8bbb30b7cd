"""Who is asking and what they may do: a policy in memory; everything is allowed until it says otherwise.

A request without a token is the administrator's. A token must be known: one that was issued by the `token`
subresource of a ServiceAccount, or one of the policy set by `PUT /devcluster/access`:

    {"users": [{"token": "t1", "username": "system:serviceaccount:monitoring:prometheus", "groups": [],
                "allowed": [{"verbs": ["get"], "paths": ["/metrics"]},
                            {"verbs": ["get", "list"], "groups": [""], "resources": ["pods", "pods/log"]}]}]}

A user without `allowed` may do everything.
"""

import secrets
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict

from devcluster.apiserver.objects.json_types import JsonObject
from devcluster.apiserver.objects.status import ApiError

API_AUDIENCE = "https://kubernetes.default.svc"
"""The audience that a review means which names none: a token for another one is not for the API server."""

_STRICT = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Attributes:
    """One act to be judged: on a resource (with its subresource as `pods/log`), or on a plain path."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    def sentence(self) -> str:
        """The act in the words of a 403."""
        if self.path:
            return f'cannot {self.verb} path "{self.path}"'
        scope = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        return f'cannot {self.verb} resource "{self.resource}" in API group "{self.group}" {scope}'


class Allowance(BaseModel):
    """One thing a user may do; the items of each list may hold `*` wildcards."""

    model_config = _STRICT

    verbs: tuple[str, ...] = ("*",)
    groups: tuple[str, ...] = ("*",)
    resources: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ("*",)
    paths: tuple[str, ...] = ()

    def covers(self, act: Attributes) -> bool:
        """Whether the act is allowed by this."""
        if not _any_match(act.verb, self.verbs):
            return False
        if act.path:
            return _any_match(act.path, self.paths)
        return (
            _any_match(act.group, self.groups)
            and _any_match(act.resource, self.resources)
            and _any_match(act.namespace, self.namespaces)
        )


class User(BaseModel):
    """One identity with its token."""

    model_config = _STRICT

    token: str
    username: str
    groups: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    allowed: tuple[Allowance, ...] | None = None

    def may(self, act: Attributes) -> bool:
        """Whether the user may do something."""
        return self.allowed is None or any(allowance.covers(act) for allowance in self.allowed)


class AccessPolicy(BaseModel):
    """The users of a policy."""

    model_config = _STRICT

    users: tuple[User, ...] = ()


@dataclass(slots=True)
class Access:
    """Authentication and authorization of the running server."""

    _users: dict[str, User] = field(default_factory=dict)  # by token

    def set_policy(self, policy: AccessPolicy) -> None:
        """Know these users from now on, and forget all others."""
        self._users = {user.token: user for user in policy.users}

    def check_request(self, authorization: str, act: Attributes) -> None:
        """Refuse a request whose token is unknown or whose user may not do this.

        Raises:
            ApiError: 401 or 403.
        """
        if not authorization:
            return
        user = self._users.get(authorization.removeprefix("Bearer ").strip())
        if user is None:
            raise ApiError(HTTPStatus.UNAUTHORIZED, "Unauthorized", "Unauthorized")
        if not user.may(act):
            message = f'User "{user.username}" {act.sentence()}'
            named = f"{act.resource}.{act.group}" if act.group else act.resource
            raise ApiError(HTTPStatus.FORBIDDEN, "Forbidden", f"{named or act.path} is forbidden: {message}")

    def issue_token(self, namespace: str, name: str, request: JsonObject) -> str:
        """A new token of a ServiceAccount; it does not expire here."""
        token = secrets.token_urlsafe(24)
        username = f"system:serviceaccount:{namespace}:{name}"
        allowed = next((user.allowed for user in self._users.values() if user.username == username), None)
        self._users[token] = User(
            token=token,
            username=username,
            groups=("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"),
            audiences=tuple((request.get("spec") or {}).get("audiences") or ()),
            allowed=allowed,
        )
        return token

    def review_token(self, review: JsonObject) -> JsonObject:
        """The status of a TokenReview."""
        spec = review.get("spec") or {}
        user = self._users.get(str(spec.get("token", "")))
        if user is None:
            return {"authenticated": False, "user": {}, "error": "invalid bearer token"}
        asked = spec.get("audiences") or [API_AUDIENCE]
        shared = [audience for audience in asked if audience in user.audiences] if user.audiences else asked
        if not shared:
            message = f"token audiences {list(user.audiences)} is invalid for the target audiences {asked}"
            return {"authenticated": False, "user": {}, "error": message}
        described = {"username": user.username, "groups": list(user.groups)}
        return {"authenticated": True, "user": described, "audiences": shared}

    def review_access(self, review: JsonObject, authorization: str) -> JsonObject:
        """The status of a SubjectAccessReview, or of a Self... one for the token of the request."""
        spec = review.get("spec") or {}
        if review.get("kind") == "SelfSubjectAccessReview":
            user = self._users.get(authorization.removeprefix("Bearer ").strip())
        else:
            named = (user for user in self._users.values() if user.username == spec.get("user"))
            user = next(named, None)
        act = _attributes_of(spec)
        if user is None or user.may(act):
            return {"allowed": True, "reason": "allowed by the devcluster's policy"}
        return {"allowed": False, "reason": f'User "{user.username}" {act.sentence()}'}


def _attributes_of(spec: JsonObject) -> Attributes:
    if plain := spec.get("nonResourceAttributes"):
        return Attributes(verb=str(plain.get("verb", "")), path=str(plain.get("path", "")))
    wanted = spec.get("resourceAttributes") or {}
    resource = str(wanted.get("resource", ""))
    if wanted.get("subresource"):
        resource = f"{resource}/{wanted['subresource']}"
    return Attributes(
        verb=str(wanted.get("verb", "")),
        group=str(wanted.get("group", "")),
        resource=resource,
        namespace=str(wanted.get("namespace", "")),
        name=str(wanted.get("name", "")),
    )


def _any_match(value: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)
