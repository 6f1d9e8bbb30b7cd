from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from inferno_collector.pulse import ApiPulse
from inferno_shared.kubernetes import KubernetesClient
from inferno_shared.kubernetes.transport import Answer, Request, TransportTimeoutError
from unit.collector.cluster_api import ClusterAnswer


class Server:
    """Answers with `status`, or not at all."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.now = 0.0
        self.asked: list[str] = []

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Answer]:
        self.asked.append(request.path)
        if self.status is None:
            self.now += 10
            raise TransportTimeoutError("no answer within 10 s")
        yield ClusterAnswer(self.status, {})

    async def close(self) -> None:
        return None

    def pulse(self) -> ApiPulse:
        return ApiPulse(KubernetesClient(self), every_seconds=10, clock=lambda: self.now)


async def test_a_server_that_answers_is_alive() -> None:
    server = Server()
    pulse = server.pulse()
    for _ in range(10):
        server.now += 10
        await pulse.ask()
        assert (pulse.silent_seconds(server.now), pulse.problem(server.now)) == (0, None)
    assert set(server.asked) == {"/version"}


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_a_refusal_is_a_sign_of_life(status: int) -> None:
    server = Server()
    pulse = server.pulse()
    server.status, server.now = status, 100
    await pulse.ask()
    assert pulse.problem(server.now) is None


async def test_a_server_that_hangs_is_noticed_within_half_a_minute_and_forgiven_at_once() -> None:
    server = Server()
    pulse = server.pulse()
    server.status = None
    while pulse.problem(server.now) is None:
        await pulse.ask()
        assert server.now <= 30
    assert "has not answered for 30 s" in (pulse.problem(server.now) or "")
    assert "get /version" in (pulse.problem(server.now) or "")
    server.status = 200
    await pulse.ask()
    assert pulse.problem(server.now) is None
