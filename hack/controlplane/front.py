"""`python -m controlplane.front`: the TLS door of Thanos, admitting whom the cluster's RBAC admits.

As on OpenShift 4.16 and later: a TokenReview says who asks, and a SubjectAccessReview whether they may use
`prometheuses/api` of monitoring.coreos.com (a GET is the verb get, a POST is create).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import httpx
import structlog
import typer
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from controlplane.probes import HOST
from inferno_shared.errors import KubernetesError
from inferno_shared.kubernetes import JsonObject, KubernetesClient, Resource
from inferno_shared.service import configure_logging

TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
ATTRIBUTES = {
    "group": "monitoring.coreos.com",
    "resource": "prometheuses",
    "subresource": "api",
    "namespace": "openshift-monitoring",
    "name": "k8s",
}
VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update"}
REMEMBERED_SECONDS = 10.0
UPSTREAM_SECONDS = 60.0

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to admit; if not, with which answer."""

    status: HTTPStatus
    reason: str = ""


@dataclass
class Doorkeeper:
    """Asks the API server about a token, and remembers its answer for a few seconds."""

    client: KubernetesClient
    clock: Callable[[], float] = time.monotonic
    _remembered: dict[tuple[str, str], tuple[float, Verdict]] = field(default_factory=dict)

    async def admit(self, authorization: str, method: str) -> Verdict:
        """The verdict on a request with this Authorization header."""
        scheme, _, token = authorization.partition(" ")
        verb = VERBS.get(method)
        if scheme.lower() != "bearer" or not token or verb is None:
            return Verdict(HTTPStatus.UNAUTHORIZED, "a bearer token is needed")
        known = self._remembered.get((token, verb))
        if known is not None and self.clock() < known[0]:
            return known[1]
        verdict = await self._review(token.strip(), verb)
        self._remembered[token, verb] = (self.clock() + REMEMBERED_SECONDS, verdict)
        return verdict

    async def _review(self, token: str, verb: str) -> Verdict:
        reviewed = await self.client.create(TOKEN_REVIEWS, _review_of(TOKEN_REVIEWS, {"token": token}))
        status = reviewed.get("status") or {}
        if not status.get("authenticated"):
            return Verdict(HTTPStatus.UNAUTHORIZED, "the token is not valid")
        user = status["user"]
        spec = {
            "user": user["username"],
            "groups": user.get("groups") or [],
            "resourceAttributes": {**ATTRIBUTES, "verb": verb},
        }
        answer = await self.client.create(ACCESS_REVIEWS, _review_of(ACCESS_REVIEWS, spec))
        if not (answer.get("status") or {}).get("allowed"):
            reason = (
                f"{user['username']} may not {verb} prometheuses/api in group monitoring.coreos.com: "
                "bind the ClusterRole cluster-monitoring-view to it"
            )
            return Verdict(HTTPStatus.FORBIDDEN, reason)
        return Verdict(HTTPStatus.OK)


def front_app(doorkeeper: Doorkeeper, upstream: httpx.AsyncClient) -> Starlette:
    """The application: every request is reviewed and then passed on without its token."""

    async def passed_on(request: Request) -> Response:
        try:
            verdict = await doorkeeper.admit(request.headers.get("authorization", ""), request.method)
        except KubernetesError as error:
            log.warning("no review", reason=str(error))
            return PlainTextResponse(f"the token cannot be reviewed: {error}", HTTPStatus.BAD_GATEWAY)
        if verdict.status is not HTTPStatus.OK:
            log.info("refused", path=request.url.path, status=int(verdict.status), reason=verdict.reason)
            return PlainTextResponse(verdict.reason, verdict.status)
        headers = {"content-type": request.headers.get("content-type", "")}
        try:
            answer = await upstream.request(
                request.method,
                request.url.path,
                params=request.query_params,
                content=await request.body(),
                headers=headers,
            )
        except httpx.HTTPError as error:
            return PlainTextResponse(f"Thanos does not answer: {error}", HTTPStatus.BAD_GATEWAY)
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/{path:path}", passed_on, methods=["GET", "POST", "PUT"]),
        ]
    )


def _review_of(resource: Resource, spec: JsonObject) -> JsonObject:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, "spec": spec}


@asynccontextmanager
async def _connected(kubeconfig: Path, upstream: str) -> AsyncIterator[Starlette]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(KubernetesClient.connect(kubeconfig=str(kubeconfig)))
        thanos = httpx.AsyncClient(base_url=upstream, timeout=UPSTREAM_SECONDS, trust_env=False)
        yield front_app(Doorkeeper(client), await stack.enter_async_context(thanos))


def main(
    kubeconfig: Annotated[Path, typer.Option(help="cluster that reviews tokens")],
    upstream: Annotated[str, typer.Option(help="Thanos' or Prometheus' own address")],
    port: Annotated[int, typer.Option(help="port of loopback to listen on")],
    certificate: Annotated[Path, typer.Option(help="server certificate (PEM)")],
    key: Annotated[Path, typer.Option(help="its private key (PEM)")],
) -> None:
    """Serve a TLS endpoint in front of Thanos for accounts that may use prometheuses/api."""
    configure_logging("info")

    async def serve() -> None:
        async with _connected(kubeconfig, upstream) as app:
            config = uvicorn.Config(
                app,
                host=HOST,
                port=port,
                ssl_certfile=certificate,
                ssl_keyfile=key,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
            await uvicorn.Server(config).serve()

    asyncio.run(serve())


if __name__ == "__main__":
    typer.run(main)
