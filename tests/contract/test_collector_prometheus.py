"""Our end of Prometheus' HTTP API: what is asked, and what is made of every kind of answer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from builders import SEED_MODEL, SEED_NAMESPACE
from inferno_collector.configuration import PrometheusAddress
from inferno_collector.samples import Metric
from inferno_collector.sources import LoadReading
from inferno_collector.sources.prometheus import PrometheusSource
from inferno_collector.sources.prometheus_api import Limits, PrometheusApi

ADDRESS = PrometheusAddress(base_url="https://thanos:9091")
NOW = 1_700_000_000.0
POD = (SEED_NAMESPACE, "p-0")


def matrix(*series: dict[str, Any], **extra: object) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "matrix", "result": list(series)}, **extra}


def a_series(name: str, *values: str) -> dict[str, Any]:
    labels = {"__name__": f"vllm:{name}", "model_name": SEED_MODEL, "namespace": POD[0], "pod": POD[1]}
    return {"metric": labels, "values": [[NOW - 60 + 15 * n, value] for n, value in enumerate(values)]}


async def read(
    handler: Callable[[httpx.Request], httpx.Response],
    address: PrometheusAddress = ADDRESS,
    limits: Limits | None = None,
) -> LoadReading:
    api = PrometheusApi(limits or Limits(), httpx.MockTransport(handler))
    source = PrometheusSource(api, lambda: address, window_seconds=60)
    try:
        return await source.read({}, NOW)
    finally:
        await api.close()


def answering(body: object, **response: Any) -> Callable[[httpx.Request], httpx.Response]:  # noqa: ANN401
    return lambda _: httpx.Response(200, json=body, **response)


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
    source = PrometheusSource(
        PrometheusApi(Limits()),
        lambda: PrometheusAddress(base_url="https://127.0.0.1:1", ca_file=str(ca_file)),
        window_seconds=60,
    )
    reading = await source.read({}, NOW)
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
    source = PrometheusSource(
        PrometheusApi(Limits(), httpx.MockTransport(handler)),
        lambda: PrometheusAddress(base_url=next(addresses)),
        window_seconds=60,
    )
    for _ in range(3):
        await source.read({}, NOW)
    assert hosts == ["one"] * 6 + ["two"] * 3
