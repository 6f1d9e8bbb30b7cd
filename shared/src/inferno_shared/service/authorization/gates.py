"""Gates: each admits callers by one kind of proof, or says in a problem document what is missing.

Whatever cannot be decided is refused: 503 when the API server cannot be asked, never an open door.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NoReturn, Protocol

from inferno_shared.access import FrontProxy, Identity, Reviewer, Verdict
from inferno_shared.errors import InfernoError
from inferno_shared.service.authorization.decisions import Decisions, TooManyQuestionsError
from inferno_shared.service.logs import get_logger
from inferno_shared.service.problems import ProblemError
from inferno_shared.service.settings import ANY_NAME
from inferno_shared.service.tls import CLIENTS, FRONT_PROXY, Peer

MAX_TOKEN_CHARACTERS: Final = 16_384
RETRY_AFTER: Final = {"retry-after": "2"}
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")

log = get_logger(__name__)

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that wants in: what it would do, and every proof that it brought."""

    verb: str
    path: str
    headers: Headers
    peer: Peer | None

    def values(self, name: str) -> list[str]:
        """Return the values of a header, in order."""
        wanted = name.lower().encode("latin-1")
        return [value.decode("latin-1") for key, value in self.headers if key == wanted]


class Gate(Protocol):
    """Decides who comes in."""

    async def admit(self, attempt: Attempt) -> Identity:
        """Return who it is. Raises ProblemError with 401, 403 or 503."""


class KubernetesGate:
    """Admits whom the cluster knows and allows: TokenReview, then SubjectAccessReview, both remembered.

    `reviewer` returns None as long as there is no connection to the cluster.
    """

    def __init__(
        self, reviewer: Callable[[], Reviewer | None], *, realm: str, audiences: tuple[str, ...] = ()
    ) -> None:
        self._reviewer = reviewer
        self._realm = realm
        self._audiences = audiences
        self._identities = Decisions[bytes, Identity | None](lambda it: it is not None)
        self._verdicts = Decisions[tuple[Identity, str, str], Verdict](lambda it: it.allowed)

    async def admit(self, attempt: Attempt) -> Identity:
        """Return whose token it is. Raises ProblemError."""
        token = self._token(attempt)
        try:
            identity = await self._identity(token)
            if identity is None:
                self._challenge("the bearer token is not valid", 'error="invalid_token"')
            verdict = await self._verdict(identity, attempt)
        except TooManyQuestionsError as error:
            raise _undecided("too many callers are being checked") from error
        except InfernoError as error:
            log.warning("caller not checked, refused", path=attempt.path, reason=str(error))
            raise _undecided("the Kubernetes API did not decide; the log of the service says why") from error
        if not verdict.allowed:
            why = f" ({verdict.reason})" if verdict.reason else ""
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "Forbidden",
                f"{identity.name} may not {attempt.verb} {attempt.path}{why}; grant nonResourceURLs "
                f"['{attempt.path}'] verbs ['{attempt.verb}'] in a ClusterRole bound to it",
            )
        return identity

    async def _identity(self, token: str) -> Identity | None:
        """Return whose token it is; only the token's hash is kept."""
        digest = hashlib.sha256(token.encode()).digest()
        return await self._identities.get(
            digest, lambda: self._connected().authenticate(token, self._audiences)
        )

    async def _verdict(self, identity: Identity, attempt: Attempt) -> Verdict:
        question = (identity, attempt.verb, attempt.path)
        return await self._verdicts.get(question, lambda: self._connected().authorize(*question))

    def _connected(self) -> Reviewer:
        reviewer = self._reviewer()
        if reviewer is None:
            raise InfernoError("not connected to the cluster yet")
        return reviewer

    def _token(self, attempt: Attempt) -> str:
        values = attempt.values("authorization")
        scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        if scheme.lower() != "bearer":
            self._challenge("a bearer token is needed in the Authorization header")
        if len(token) > MAX_TOKEN_CHARACTERS or not _TOKEN.fullmatch(token.strip()):
            self._challenge("the bearer token is malformed", 'error="invalid_token"')
        return token.strip()

    def _challenge(self, detail: str, *parameters: str) -> NoReturn:
        if self._audiences:
            detail = f"{detail} (a ServiceAccount's, for audience {' or '.join(self._audiences)})"
        challenge = ", ".join((f'Bearer realm="{self._realm}"', *parameters))
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED, "Unauthorized", detail, headers={"www-authenticate": challenge}
        )


class CertificateGate:
    """Admits client certificates of the configured authorities with one of `names`; needs no cluster."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    async def admit(self, attempt: Attempt) -> Identity:
        """Return the certificate's name. Raises ProblemError."""
        peer = attempt.peer
        if peer is None or CLIENTS not in peer.authorities:
            raise _no_certificate(
                "a client certificate is needed, signed by an authority of INFERNO_TLS_CLIENT_CA_FILE"
            )
        admitted = sorted(peer.names & self._names)
        if not admitted and ANY_NAME not in self._names:
            shown = ", ".join(sorted(peer.names)) or "no name"
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "Forbidden",
                f"the client certificate of {shown} is not in INFERNO_ALLOWED_CLIENT_NAMES",
            )
        return Identity(admitted[0] if admitted else peer.common_name or min(peer.names, default=""))


class FrontProxyGate:
    """Admits the API server's aggregator only; the identity is that of the user for whom it asks.

    The API server has authorized the user already: that is why nobody else may pass. `trusted` returns None
    as long as it is not known which client the aggregator is.
    """

    def __init__(self, trusted: Callable[[], FrontProxy | None]) -> None:
        self._trusted = trusted

    async def admit(self, attempt: Attempt) -> Identity:
        """Return the user that the aggregator names. Raises ProblemError."""
        trusted = self._trusted()
        if trusted is None:
            raise _undecided(
                "the request-header authority in ConfigMap kube-system/extension-apiserver-authentication "
                "is not known yet"
            )
        peer = attempt.peer
        if peer is None or FRONT_PROXY not in peer.authorities:
            raise _no_certificate("this API answers the Kubernetes API server's aggregator only: ask there")
        if trusted.allowed_names and peer.common_name not in trusted.allowed_names:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "Forbidden",
                f"the client certificate of {peer.common_name or 'no name'} is not one of the aggregator's "
                f"({', '.join(sorted(trusted.allowed_names))})",
            )
        users = [value for name in trusted.username_headers for value in attempt.values(name) if value]
        if not users:
            names = " or ".join(trusted.username_headers)
            raise ProblemError(HTTPStatus.FORBIDDEN, "Forbidden", f"no user in {names}")
        groups = [value for name in trusted.group_headers for value in attempt.values(name)]
        return Identity(users[0], groups=tuple(groups))


class OpenGate:
    """Admits everybody."""

    async def admit(self, attempt: Attempt) -> Identity:
        """Return the anonymous identity, as Kubernetes calls it."""
        del attempt
        return Identity("system:anonymous", groups=("system:unauthenticated",))


def _no_certificate(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.FORBIDDEN, "Client certificate needed", detail)


def _undecided(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "Caller not checked", detail, headers=RETRY_AFTER)
