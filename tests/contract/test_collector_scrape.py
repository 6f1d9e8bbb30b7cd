"""Our end of the pods' /metrics: each pod on its own, whatever the others do."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from builders import SEED_MODEL, SEED_NAMESPACE
from inferno_collector.samples import Metric, PodKey
from inferno_collector.sources.scrape import ScrapeSource
from unit.collector.scrapes import exposition
from unit.collector.waiting import eventually
from unit.shared.waiting import until

Handler = Callable[[httpx.Request], httpx.Response]


def pod(name: str) -> PodKey:
    return SEED_NAMESPACE, name


class World:
    """Pods by address, and a clock that tests turn."""

    def __init__(self, *names: str) -> None:
        self.targets = {pod(name): f"10.0.0.{n}:8200" for n, name in enumerate(names, start=1)}
        self.now = 1000.0
        self.answers: dict[str, bytes | int | Exception] = {}
        self.hanging: set[str] = set()
        self.hanging_now = 0
        self.asked: list[str] = []

    def source(self, timeout_seconds: float = 2) -> ScrapeSource:
        return ScrapeSource(
            lambda: self.targets,
            interval_seconds=5,
            timeout_seconds=timeout_seconds,
            keep_seconds=60,
            max_response_bytes=10_000,
            clock=lambda: self.now,
            transport=httpx.MockTransport(self._answer),
        )

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        address = f"{request.url.host}:{request.url.port}"
        self.asked.append(str(request.url))
        if address in self.hanging:
            self.hanging_now += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.hanging_now -= 1
        answer = self.answers.get(address, exposition(done=1, running=0))
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return httpx.Response(answer)
        return httpx.Response(200, stream=httpx.ByteStream(answer))


async def scraped(source: ScrapeSource) -> None:
    source.start_round()
    await asyncio.wait_for(source.finish_round(), 5)


async def test_scrapes_become_a_history() -> None:
    world = World("a")
    source = world.source()
    await scraped(source)
    world.now += 5
    world.answers["10.0.0.1:8200"] = exposition(done=4, running=2)
    await scraped(source)
    reading = await source.read({}, world.now)
    [history] = reading.by_pod[pod("a")][SEED_MODEL]
    assert list(history.times) == [1000, 1005]
    assert list(history.column(Metric.COMPLETED)) == [1, 4]
    assert world.asked == ["http://10.0.0.1:8200/metrics"] * 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (404, "answers 404"),
        (httpx.ConnectError("refused"), "refused"),
        (b"up 1\n", "has no vllm: series"),
        (b"x" * 20_000, "longer than 10000 bytes"),
        (b"\xff\xfe\x00", "has no vllm: series"),
    ],
)
async def test_a_pod_that_answers_nonsense_is_an_error_of_its_own(
    answer: bytes | int | Exception, said: str
) -> None:
    world = World("a", "b")
    world.answers["10.0.0.1:8200"] = answer
    source = world.source()
    await scraped(source)
    reading = await source.read({}, world.now)
    assert list(reading.by_pod) == [pod("b")]
    assert said in reading.pod_errors[pod("a")]


async def test_a_pod_that_hangs_delays_nobody() -> None:
    world = World(*(f"p{n}" for n in range(1, 100)))
    world.hanging = {f"10.0.0.{n}:8200" for n in range(1, 60)}
    source = world.source(timeout_seconds=0.2)
    await scraped(source)
    world.now += 5
    source.start_round()

    # The second round: the healthy pods have a lane of their own, and are done while the others still hang.
    async def healthy_are_done() -> bool:
        by_pod = (await source.read({}, world.now)).by_pod
        return all(len(by_pod[pod(f"p{n}")][SEED_MODEL][0]) == 2 for n in range(60, 100))

    await eventually(healthy_are_done)
    assert world.hanging_now > 0
    await asyncio.wait_for(source.finish_round(), 10)
    reading = await source.read({}, world.now)
    assert len(reading.pod_errors) == 59
    assert "did not answer within 0.2 s" in reading.pod_errors[pod("p1")]


async def test_a_pod_still_being_scraped_is_not_asked_twice() -> None:
    world = World("a")
    world.hanging = {"10.0.0.1:8200"}
    source = world.source(timeout_seconds=0.1)
    source.start_round()
    await asyncio.sleep(0)
    source.start_round()
    await asyncio.wait_for(source.finish_round(), 5)
    assert len(world.asked) == 1


async def test_what_a_deleted_pod_did_stays_for_the_window_and_no_longer() -> None:
    world = World("a", "b")
    source = world.source()
    await scraped(source)
    del world.targets[pod("b")]
    world.now += 60
    await scraped(source)
    assert set((await source.read({}, world.now)).by_pod) == {pod("a"), pod("b")}
    world.now += 1
    await scraped(source)
    assert set((await source.read({}, world.now)).by_pod) == {pod("a")}


async def test_errors_of_pods_that_are_gone_are_forgotten() -> None:
    world = World("a", "b")
    world.answers["10.0.0.2:8200"] = 500
    source = world.source()
    await scraped(source)
    assert pod("b") in (await source.read({}, world.now)).pod_errors
    del world.targets[pod("b")]
    await scraped(source)
    assert (await source.read({}, world.now)).pod_errors == {}


async def test_memory_does_not_grow_with_time() -> None:
    world = World("a")
    source = world.source()
    for _ in range(100):
        world.now += 5
        await scraped(source)
    reading = await source.read({}, world.now)
    # 60 s of scrapes each 5 s, and the one that the window starts from.
    assert len(reading.by_pod[pod("a")][SEED_MODEL][0]) <= 14


async def test_cancelling_leaves_no_scrape_behind() -> None:
    world = World("a")
    world.hanging = {"10.0.0.1:8200"}
    source = world.source(timeout_seconds=30)
    running = asyncio.create_task(source.run())
    await until(lambda: bool(world.asked))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert len(asyncio.all_tasks()) == 1
