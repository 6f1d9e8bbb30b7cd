"""Our end of Prometheus' HTTP API: what is asked, and what is made of every kind of answer."""

import asyncio
import json
from collections.abc import Callable, Collection, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from builders import SEED_MODEL, SEED_NAMESPACE
from inferno_collector.configuration import PrometheusAddress
from inferno_collector.samples import Metric
from inferno_collector.sources import LoadReading
from inferno_collector.sources.admission import Limits
from inferno_collector.sources.breaker import Circuit
from inferno_collector.sources.prometheus import PrometheusSource
from inferno_collector.sources.prometheus_api import PrometheusApi
from inferno_collector.sources.queries import QueryOptions

ADDRESS = PrometheusAddress(base_url="https://thanos:9091")
NOW = 1_700_000_000.0
POD = (SEED_NAMESPACE, "p-0")
OPTIONS = QueryOptions(range_seconds=120)


def matrix(*series: dict[str, Any], **extra: object) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "matrix", "result": list(series)}, **extra}


def a_series(name: str, *values: str) -> dict[str, Any]:
    labels = {"__name__": f"vllm:{name}", "model_name": SEED_MODEL, "namespace": POD[0], "pod": POD[1]}
    return {"metric": labels, "values": [[NOW - 60 + 15 * n, value] for n, value in enumerate(values)]}


def a_source(
    handler: Callable[[httpx.Request], httpx.Response]
    | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]],
    address: Callable[[], PrometheusAddress] = lambda: ADDRESS,
    *,
    limits: Limits | None = None,
    namespaces: Collection[str] = (SEED_NAMESPACE,),
    options: QueryOptions = OPTIONS,
    min_interval_seconds: float = 0,
) -> PrometheusSource:
    api = PrometheusApi(limits or Limits(), httpx.MockTransport(handler))
    return PrometheusSource(
        api, address, lambda: namespaces, options, min_interval_seconds=min_interval_seconds
    )


async def read(
    handler: Callable[[httpx.Request], httpx.Response],
    address: PrometheusAddress = ADDRESS,
    limits: Limits | None = None,
) -> LoadReading:
    return await a_source(handler, lambda: address, limits=limits).read({}, NOW)


def answering(body: object, **response: Any) -> Callable[[httpx.Request], httpx.Response]:  # noqa: ANN401
    return lambda _: httpx.Response(200, json=body, **response)


def recording(
    asked: list[httpx.Request], response: httpx.Response | None = None
) -> Callable[[httpx.Request], httpx.Response]:
    """A handler that remembers what was asked."""
    answer = response or httpx.Response(200, json=matrix())

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(answer.status_code, content=answer.content)

    return handler


async def test_three_queries_ask_for_raw_samples_of_the_window_and_a_minute_more() -> None:
    asked: list[dict[str, list[str]]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        assert request.url == "https://thanos:9091/api/v1/query"
        asked.append(parse_qs(request.content.decode()))
        return httpx.Response(200, json=matrix(a_series("num_requests_running", "1", "2")))

    reading = await read(handler)
    assert reading.queries == len(asked) == 3
    assert all(query["query"][0].endswith("}[120s]") for query in asked)
    assert {query["time"][0] for query in asked} == {"1700000000.000"}
    names = "".join(query["query"][0] for query in asked)
    for family in ("request_success_total", "num_requests_waiting", "prompt|generation", "time_per_output"):
        assert family in names


async def test_series_come_back_as_histories() -> None:
    reading = await read(
        answering(
            matrix(a_series("request_success_total", "1", "4"), a_series("num_requests_running", "0", "2"))
        )
    )
    assert reading.failure is None
    [history] = reading.by_pod[POD][SEED_MODEL]
    assert list(history.column(Metric.COMPLETED)) == [1, 4]


async def test_no_series_is_an_answer_not_a_failure() -> None:
    reading = await read(answering(matrix()))
    assert (reading.failure, dict(reading.by_pod)) == (None, {})


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (httpx.Response(500, text="boom"), "boom (HTTP 500)"),
        (httpx.Response(401, text=""), "Unauthorized (HTTP 401)"),
        (
            httpx.Response(400, json={"status": "error", "errorType": "bad_data", "error": "parse error"}),
            "parse error (HTTP 400)",
        ),
        (httpx.Response(302, headers={"location": "/login"}), "(HTTP 302)"),
        (
            httpx.Response(200, html="<html>Log in</html>"),
            "answers text/html; charset=utf-8, not a Prometheus API's JSON ('<html>Log in</html>')",
        ),
        (httpx.Response(200, text="{'half': "), "not a Prometheus API's JSON"),
        (httpx.Response(200, json=[1, 2]), "JSON that is not a matrix"),
        (httpx.Response(200, json={"data": {"resultType": "vector", "result": []}}), "not a matrix"),
        (httpx.Response(200, json={"data": {"resultType": "matrix", "result": {}}}), "not a matrix"),
        (httpx.Response(200, content=b"x", headers={"content-encoding": "gzip"}), "is compressed (gzip)"),
    ],
)
async def test_an_answer_of_no_use_is_a_failure_that_says_why(response: httpx.Response, said: str) -> None:
    reading = await read(
        lambda _: httpx.Response(response.status_code, headers=response.headers, stream=response.stream)
    )
    assert reading.failure is not None
    assert said in reading.failure
    assert not reading.by_pod


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx.ConnectError("connection refused"), "connection refused"),
        (httpx.ReadTimeout("slow"), "no answer in time"),
    ],
)
async def test_no_answer_is_a_failure(error: httpx.HTTPError, said: str) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise error

    reading = await read(handler)
    assert reading.failure is not None
    assert said in reading.failure


async def test_an_answer_without_end_is_cut() -> None:
    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204 - a generator
            while True:
                yield b" " * 1024

    reading = await read(
        lambda _: httpx.Response(200, stream=Endless()), limits=Limits(max_response_bytes=10_000)
    )
    assert reading.failure is not None
    assert "longer than 10000 bytes" in reading.failure


async def test_nonsense_within_an_answer_costs_only_itself() -> None:
    body = matrix(a_series("num_requests_running", "1", "x", "3"))
    body["data"]["result"] += [None, 7, {"metric": {"__name__": "vllm:num_requests_running"}}]
    [history] = (await read(answering(body))).by_pod[POD][SEED_MODEL]
    assert list(history.column(Metric.RUNNING)) == [1, 3]


async def test_a_failed_query_for_details_costs_only_the_details() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if b"success_total" in request.content:
            return httpx.Response(200, json=matrix(a_series("num_requests_running", "1", "2")))
        return httpx.Response(422, json={"error": "too many samples"})

    reading = await read(handler)
    assert reading.failure is None
    assert [(p.subject, p.reason) for p in reading.problems] == [("Prometheus", "PrometheusError")] * 2
    assert "too many samples" in reading.problems[0].message


async def test_warnings_lower_the_quality_visibly() -> None:
    reading = await read(answering(matrix(warnings=["store gateway 2 is down"])))
    assert reading.failure is None
    assert {p.reason for p in reading.problems} == {"PartialResponse"}
    assert "store gateway 2 is down" in reading.problems[0].message


async def test_nothing_is_asked_while_there_is_no_variant() -> None:
    asked: list[httpx.Request] = []
    reading = await a_source(recording(asked), namespaces=()).read({}, NOW)
    assert (asked, reading.failure, reading.queries) == ([], None, 0)


async def test_only_namespaces_with_variants_are_asked_for() -> None:
    asked: list[httpx.Request] = []
    await a_source(recording(asked), namespaces=["b", "a"]).read({}, NOW)
    texts = [parse_qs(request.content.decode())["query"][0] for request in asked]
    assert all(',namespace=~"a|b|"}[120s]' in text for text in texts)


async def test_the_filter_can_be_turned_off_and_gives_way_when_it_would_be_too_long() -> None:
    asked: list[httpx.Request] = []
    everything = QueryOptions(range_seconds=120, filter_namespaces=False)
    await a_source(recording(asked), namespaces=(), options=everything).read({}, NOW)
    await a_source(recording(asked), namespaces=[f"namespace-{n}" for n in range(1000)]).read({}, NOW)
    assert len(asked) == 6
    assert not any("namespace" in request.content.decode() for request in asked)


async def test_the_tenancy_port_is_asked_namespace_by_namespace_and_with_get() -> None:
    asked: list[httpx.Request] = []
    tenancy = QueryOptions(range_seconds=120, tenancy=True)
    reading = await a_source(recording(asked), namespaces=["b", "a"], options=tenancy).read({}, NOW)
    assert reading.queries == len(asked) == 6
    assert {request.method for request in asked} == {"GET"}
    assert sorted(request.url.params["namespace"] for request in asked) == ["a"] * 3 + ["b"] * 3
    for request in asked:
        assert f'namespace="{request.url.params["namespace"]}"' in request.url.params["query"]


async def test_a_tenant_that_is_refused_costs_no_other() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.params["namespace"] == "secret":
            return httpx.Response(403, text="may not get pods.metrics.k8s.io")
        return httpx.Response(200, json=matrix(a_series("num_requests_running", "1", "2")))

    tenancy = QueryOptions(range_seconds=120, tenancy=True)
    reading = await a_source(handler, namespaces=["secret", POD[0]], options=tenancy).read({}, NOW)
    assert reading.failure_in(POD[0]) is None
    assert list(reading.by_pod) == [POD]
    assert "may not get pods.metrics.k8s.io" in (reading.failure_in("secret") or "")


async def test_readings_within_the_minimum_interval_are_one() -> None:
    asked: list[httpx.Request] = []
    namespaces = ["a"]
    source = a_source(recording(asked), namespaces=namespaces, min_interval_seconds=30)
    both = await asyncio.gather(source.read({}, NOW), source.read({}, NOW + 1))
    assert both[0] is both[1]
    await source.read({}, NOW + 29)
    assert len(asked) == 3
    await source.read({}, NOW + 30)
    assert len(asked) == 6
    namespaces.append("b")  # its series were not asked for
    await source.read({}, NOW + 31)
    assert len(asked) == 9


async def test_a_failure_is_not_asked_about_again_within_the_minimum_interval() -> None:
    asked: list[httpx.Request] = []
    source = a_source(recording(asked, httpx.Response(401)), min_interval_seconds=30)
    first, second = await source.read({}, NOW), await source.read({}, NOW + 10)
    assert (first.failure, len(asked)) == (second.failure, 3)


async def test_a_prometheus_that_keeps_failing_is_left_alone_then_probed_once_then_read_again() -> None:
    asked: list[httpx.Request] = []
    response = [httpx.Response(500, text="boom")]

    def handler(request: httpx.Request) -> httpx.Response:
        return recording(asked, response[0])(request)

    source = a_source(handler)
    for n in range(3):
        assert (await source.read({}, NOW + n)).failure is not None
    asked.clear()
    alone = await source.read({}, NOW + 3)
    assert (asked, alone.circuit, alone.queries) == ([], Circuit.OPEN, 0)
    assert "failed 3 times in a row and is asked again in 14 s" in (alone.failure or "")
    assert "boom" in (alone.failure or "")
    await source.read({}, NOW + 17)
    assert len(asked) == 1, "a probe is one query"
    asked.clear()
    assert (await source.read({}, NOW + 46)).circuit is Circuit.OPEN
    response[0] = httpx.Response(200, json=matrix())
    healed = await source.read({}, NOW + 47)
    assert (healed.failure, healed.circuit, len(asked)) == (None, Circuit.CLOSED, 3)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_refusal_does_not_open_the_circuit(status: int) -> None:
    source = a_source(lambda _: httpx.Response(status))
    for n in range(5):
        assert (await source.read({}, NOW + n)).circuit is Circuit.CLOSED


async def test_an_answer_that_drips_is_given_up() -> None:
    class Dripping(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204 - a generator
            while True:
                await asyncio.sleep(0.001)
                yield b" "

    limits = Limits(timeout_seconds=0.05)
    reading = await read(lambda _: httpx.Response(200, stream=Dripping()), limits=limits)
    assert "no whole answer within 0.05 s" in (reading.failure or "")


async def test_a_token_is_not_sent_in_the_clear_beyond_loopback() -> None:
    asked: list[httpx.Request] = []
    address = PrometheusAddress(base_url="http://prometheus:9090", bearer_token="s3cret")
    source = a_source(recording(asked), lambda: address, limits=Limits(allow_http=True))
    reading = await source.read({}, NOW)
    assert not any("authorization" in request.headers for request in asked)
    assert [p.reason for p in reading.problems] == ["TokenNotSent"]


async def test_a_token_replaced_between_reading_and_asking_is_read_again(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")

    def handler(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"] == "Bearer first":
            token.write_text("second")
            return httpx.Response(401)
        return httpx.Response(200, json=matrix())

    address = PrometheusAddress(base_url="https://thanos:9091", token_file=str(token))
    assert (await read(handler, address)).failure is None


async def test_a_connection_in_use_outlives_the_address_that_replaces_it() -> None:
    gate, waiting = asyncio.Event(), asyncio.Event()

    async def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "one":
            waiting.set()
            await gate.wait()
        return httpx.Response(200, json=matrix())

    addresses = iter(["https://one", "https://two"])
    source = a_source(handler, lambda: PrometheusAddress(base_url=next(addresses)))
    first = asyncio.create_task(source.read({}, NOW))
    await asyncio.wait_for(waiting.wait(), 5)
    assert (await source.read({}, NOW)).failure is None
    gate.set()
    assert (await asyncio.wait_for(first, 5)).failure is None


async def test_clocks_that_differ_are_reported() -> None:
    headers = {"date": "Tue, 14 Nov 2023 22:12:20 GMT"}  # a minute before NOW
    reading = await read(answering(matrix(), headers=headers))
    assert [p.reason for p in reading.problems] == ["ClockSkew"]
    assert "differ by 60 s" in reading.problems[0].message


async def test_plain_http_beyond_loopback_needs_an_opt_in() -> None:
    address = PrometheusAddress(base_url="http://prometheus:9090")
    refused = await read(answering(matrix()), address)
    assert refused.failure is not None
    assert "INFERNO_PROMETHEUS_ALLOW_HTTP=true" in refused.failure
    assert (await read(answering(matrix()), address, Limits(allow_http=True))).failure is None
    for local in ("http://127.0.0.1:9090", "http://localhost:9090", "http://[::1]:9090"):
        assert (await read(answering(matrix()), PrometheusAddress(base_url=local))).failure is None


async def test_without_an_address_the_config_map_is_named() -> None:
    reading = await read(answering(matrix()), PrometheusAddress())
    assert reading.failure is not None
    assert "PROMETHEUS_BASE_URL is not set" in reading.failure


async def test_the_token_file_is_read_again_at_each_reading(tmp_path: Path) -> None:
    token = tmp_path / "token"
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json=matrix())

    address = PrometheusAddress(base_url="https://thanos:9091", token_file=str(token), bearer_token="old")
    token.write_text("first\n")
    await read(handler, address)
    token.write_text("second\n")
    await read(handler, address)
    assert set(seen[:3]) == {"Bearer first"}
    assert set(seen[3:]) == {"Bearer second"}


async def test_an_unreadable_token_file_is_named_and_no_token_is_shown(tmp_path: Path) -> None:
    address = PrometheusAddress(
        base_url="https://thanos:9091", token_file=str(tmp_path / "gone"), bearer_token="s3cret"
    )
    reading = await read(answering(matrix()), address)
    assert reading.failure is not None
    assert "PROMETHEUS_TOKEN_PATH" in reading.failure
    assert "s3cret" not in reading.failure


async def test_an_unusable_certificate_is_named(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.crt"
    ca_file.write_text("not a certificate")
    address = PrometheusAddress(base_url="https://127.0.0.1:1", ca_file=str(ca_file))
    reading = await read(answering(matrix()), address)
    assert reading.failure is not None
    assert str(ca_file) in reading.failure


async def test_the_server_name_is_the_one_that_was_configured() -> None:
    names: list[object] = []

    def handler(request: httpx.Request) -> httpx.Response:
        names.append(request.extensions.get("sni_hostname"))
        return httpx.Response(200, json=matrix())

    await read(handler, PrometheusAddress(base_url="https://10.1.2.3:9091", server_name="thanos.svc"))
    assert set(names) == {"thanos.svc"}


async def test_a_changed_address_is_followed() -> None:
    hosts: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(200, content=json.dumps(matrix()))

    addresses = iter(["https://one", "https://one", "https://two"])
    source = a_source(handler, lambda: PrometheusAddress(base_url=next(addresses)))
    for _ in range(3):
        await source.read({}, NOW)
    assert hosts == ["one"] * 6 + ["two"] * 3
