"""Whole connections through the proxy, against small servers on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from devcluster.proxy.balancer import Backend, Balancer
from devcluster.proxy.relay import Relay

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
LIMIT_SECONDS = 5


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Backend]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield Backend(*server.sockets[0].getsockname()[:2])
    finally:
        server.close()


def proxy_to(*backends: Backend) -> tuple[Balancer, Handler]:
    balancer = Balancer()
    balancer.offer(backends)
    return balancer, Relay(balancer, "service llm-d-sim/vllm-service has no ready pod").serve


async def exchange(backend: Backend, request: bytes) -> bytes:
    async with asyncio.timeout(LIMIT_SECONDS):
        reader, writer = await asyncio.open_connection(backend.ip, backend.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


async def answer_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_a_request_reaches_a_pod_and_is_counted_while_it_lasts() -> None:
    async with serving(answer_ok) as pod:
        balancer, relay = proxy_to(pod)
        async with serving(relay) as proxy:
            assert await exchange(proxy, REQUEST) == OK
        assert balancer.outstanding(pod) == 0


async def test_the_pod_is_asked_to_close_after_each_request() -> None:
    heads = []

    async def remember(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with serving(remember) as pod, serving(proxy_to(pod)[1]) as proxy:
        await exchange(proxy, REQUEST.replace(b"Host", b"Connection: keep-alive\r\nHost"))
    assert heads == [b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]


async def test_a_stream_passes_part_by_part() -> None:
    go_on = asyncio.Event()

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"first")
        await go_on.wait()
        writer.write(b"second")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with serving(stream) as pod, serving(proxy_to(pod)[1]) as proxy, asyncio.timeout(LIMIT_SECONDS):
        reader, writer = await asyncio.open_connection(proxy.ip, proxy.port)
        writer.write(REQUEST)
        assert await reader.readexactly(5) == b"first"  # while the pod still holds back the rest
        go_on.set()
        assert await reader.read() == b"second"
        writer.close()
        await writer.wait_closed()


async def test_without_a_ready_pod_the_answer_is_503_with_a_hint() -> None:
    async with serving(proxy_to()[1]) as proxy:
        answer = await exchange(proxy, REQUEST)
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert answer.endswith(b"service llm-d-sim/vllm-service has no ready pod\n")


async def test_a_pod_that_is_just_stopping_is_passed_over() -> None:
    async with serving(answer_ok) as gone:
        pass
    async with serving(answer_ok) as pod:
        balancer, relay = proxy_to(gone, pod)
        async with serving(relay) as proxy:
            answers = [await exchange(proxy, REQUEST) for _ in range(4)]
        assert answers == [OK] * 4
        assert (balancer.outstanding(gone), balancer.outstanding(pod)) == (0, 0)


async def test_a_request_goes_on_when_its_pod_leaves_the_service() -> None:
    go_on = asyncio.Event()
    arrived = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await go_on.wait()
        await answer_ok(reader, writer)

    async with serving(slow) as pod, asyncio.timeout(LIMIT_SECONDS):
        balancer, relay = proxy_to(pod)
        async with serving(relay) as proxy:
            under_way = asyncio.create_task(exchange(proxy, REQUEST))
            await arrived.wait()
            balancer.offer([])
            assert (await exchange(proxy, REQUEST)).startswith(b"HTTP/1.1 503")
            go_on.set()
            assert await under_way == OK


async def test_a_client_that_goes_away_is_told_to_the_pod() -> None:
    told = asyncio.Event()

    async def wait_for_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b""
        told.set()
        writer.close()
        await writer.wait_closed()

    async with (
        serving(wait_for_the_end) as pod,
        serving(proxy_to(pod)[1]) as proxy,
        asyncio.timeout(LIMIT_SECONDS),
    ):
        _, writer = await asyncio.open_connection(proxy.ip, proxy.port)
        writer.write(REQUEST)
        await writer.drain()
        writer.close()
        await told.wait()
        await writer.wait_closed()


async def test_other_protocols_pass_as_they_are() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with serving(echo) as pod, serving(proxy_to(pod)[1]) as proxy:
        assert await exchange(proxy, b"\x16\x03\x01 hello") == b"\x16\x03\x01 hello"
