"""No secret of the installation reaches a snapshot, an answer, a metric or a log, however it fails."""

import io
import logging
from collections.abc import Callable, Iterator

import httpx
import pytest
import structlog

from inferno_collector.app import create_collector_app
from inferno_collector.settings import CollectorSettings
from inferno_shared.contracts import Problem
from inferno_shared.service import configure_logging
from unit.collector.cluster_api import ClusterApi
from unit.collector.waiting import eventually

TOKEN = "sha256~T0kenOfPrometheus"
PASSWORD = "pa55w0rd"


def echoes(request: httpx.Request) -> httpx.Response:
    """A proxy that tells everything that it was sent."""
    return httpx.Response(502, text=f"could not forward {dict(request.headers)} to {request.url}")


def refuses(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError(f"cannot connect to {request.url} with {request.headers.get('authorization')}")


def answers_nonsense(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text=f"logged in with {request.headers.get('authorization')}")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, at the most talkative level; logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("debug", stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "address", [f"https://admin:{PASSWORD}@thanos:9091", "https://thanos:9091", "http://thanos:9091"]
)
@pytest.mark.parametrize("fault", [echoes, refuses, answers_nonsense])
async def test_a_failing_prometheus_does_not_make_us_tell_its_secrets(
    log: io.StringIO, fault: Callable[[httpx.Request], httpx.Response], address: str
) -> None:
    cluster = ClusterApi()
    cluster.configure(PROMETHEUS_BASE_URL=address, PROMETHEUS_BEARER_TOKEN=TOKEN)
    app = create_collector_app(
        CollectorSettings(prometheus_allow_http=True),
        connect=cluster.connect,
        load_transport=httpx.MockTransport(fault),
        clock=lambda: 1_000_000.0,
    )
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://collector") as client,
    ):

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await eventually(ready)
        told = [(await client.get(path)).text for path in ("/snapshot", "/metrics", "/nothing")]
    told.append(log.getvalue())
    assert "thanos:9091" in told[0]
    for text in told:
        assert TOKEN not in text
        assert PASSWORD not in text


def test_a_problem_never_carries_a_credential() -> None:
    problem = Problem(
        subject="ConfigMap key", reason="PrometheusError", message=f"GET https://u:{PASSWORD}@thanos: refused"
    )
    assert problem.message == "GET https://[redacted]@thanos: refused"
