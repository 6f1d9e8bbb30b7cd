"""A reading asks Prometheus only for what it has not heard, and says the same as one that asks for all."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import httpx

from builders import SEED_MODEL, SEED_NAMESPACE
from inferno_collector.configuration import PrometheusAddress
from inferno_collector.samples import Metric
from inferno_collector.sources import LoadReading
from inferno_collector.sources.admission import Limits
from inferno_collector.sources.prometheus import PrometheusSource
from inferno_collector.sources.prometheus_api import PrometheusApi
from inferno_collector.sources.queries import QueryOptions

BEGIN = 1_700_000_000
POD = (SEED_NAMESPACE, "p-0")
NAMES = ("request_success_total", "num_requests_running", "request_prompt_tokens_sum")


class Prometheus:
    """A sample every 15 s since `BEGIN`, as many as a query asks for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.extra: dict[str, Any] = {}
        self.empty = False
        self.base_url = "https://thanos:9091"

    def answer(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs(request.content.decode())
        text, now = form["query"][0], float(form["time"][0])
        span = int(text.rpartition("[")[2].removesuffix("s]"))
        if "success" in text:
            self.asked.append(f"{span}s")
        names = [name for name in NAMES if name.partition("_")[2].split("_")[0] in text]
        times = range(BEGIN, int(now) + 1, 15)
        values = [[at, str((at - BEGIN) // 15)] for at in times if now - span <= at]
        labels = {"model_name": SEED_MODEL, "namespace": POD[0], "pod": POD[1]}
        series = [{"metric": {"__name__": f"vllm:{name}"} | labels, "values": values} for name in names]
        result = [] if self.empty or not values else series
        body = {"status": "success", "data": {"resultType": "matrix", "result": result}, **self.extra}
        return httpx.Response(self.status, json=body)

    def source(self) -> PrometheusSource:
        api = PrometheusApi(Limits(timeout_seconds=0.5), httpx.MockTransport(self.answer))
        options = QueryOptions(range_seconds=360)
        return PrometheusSource(
            api, lambda: PrometheusAddress(base_url=self.base_url), lambda: [SEED_NAMESPACE], options
        )


def requests_of(reading: LoadReading) -> Mapping[float, float]:
    [history] = reading.by_pod[POD][SEED_MODEL]
    return dict(zip(history.times, history.column(Metric.COMPLETED), strict=True))


async def test_later_readings_ask_for_little_and_know_as_much() -> None:
    prometheus = Prometheus()
    source = prometheus.source()
    for minutes in range(8, 20):
        now = BEGIN + 60 * minutes + 7
        continued = await source.read({}, now)
        whole = await prometheus.source().read({}, now)
        known = requests_of(continued).items()
        assert requests_of(whole).items() <= known
        assert len(known) - len(requests_of(whole)) <= 1  # the row that the window starts from
    assert set(prometheus.asked[::2]) == {"360s", "90s"}
    assert prometheus.asked[::2].count("360s") == 1


async def test_after_a_failure_or_half_an_answer_what_was_missed_is_asked_for() -> None:
    prometheus = Prometheus()
    source = prometheus.source()
    await source.read({}, BEGIN + 600)
    prometheus.extra = {"warnings": ["store gateway 2 is down"]}
    await source.read({}, BEGIN + 660)
    prometheus.status = 400
    assert (await source.read({}, BEGIN + 720)).failure is not None
    prometheus.status, prometheus.extra = 200, {}
    reading = await source.read({}, BEGIN + 780)
    assert prometheus.asked == ["360s", "90s", "150s", "210s"]
    assert requests_of(reading) == requests_of(await prometheus.source().read({}, BEGIN + 780))


async def test_another_address_a_clock_set_back_or_a_lost_memory_begin_anew() -> None:
    prometheus = Prometheus()
    source = prometheus.source()
    for moment, change in (
        (600, {}),
        (660, {"base_url": "https://other:9091"}),
        (630, {}),
        (690, {"empty": True}),
    ):
        for name, value in change.items():
            setattr(prometheus, name, value)
        reading = await source.read({}, BEGIN + moment)
    assert prometheus.asked == ["360s", "360s", "360s", "90s"]
    assert reading.by_pod == {}
    prometheus.empty = False
    assert len(requests_of(await source.read({}, BEGIN + 750))) == 25
    assert prometheus.asked[-1] == "360s"


async def test_after_a_long_pause_the_whole_window_is_asked_for() -> None:
    prometheus = Prometheus()
    source = prometheus.source()
    await source.read({}, BEGIN + 600)
    reading = await source.read({}, BEGIN + 6_000)
    assert prometheus.asked == ["360s", "360s"]
    assert min(requests_of(reading)) == BEGIN + 5_640


async def test_two_readings_at_once_disturb_neither() -> None:
    prometheus = Prometheus()
    source = prometheus.source()
    await source.read({}, BEGIN + 600)
    first, second = await asyncio.gather(source.read({}, BEGIN + 660), source.read({}, BEGIN + 661))
    assert requests_of(first) == requests_of(second)
    later = await source.read({}, BEGIN + 720)
    assert requests_of(later) == requests_of(await prometheus.source().read({}, BEGIN + 720))
