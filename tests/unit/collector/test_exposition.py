import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from inferno_collector.exposition import parse_exposition
from inferno_collector.samples import UNUSABLE, Metric
from unit.collector.scrapes import exposition

MODEL = "Qwen/Qwen3-0.6B"


def vllm(model: str = MODEL, *, itl: str = "inter_token_latency_seconds") -> bytes:
    """What vLLM exposes, written by the client library that vLLM uses."""
    registry = CollectorRegistry()
    labels = ["engine", "model_name"]
    Gauge("vllm:num_requests_running", "x", labels, registry=registry).labels("0", model).set(3)
    Gauge("vllm:num_requests_waiting", "x", labels, registry=registry).labels("0", model).set(1)
    done = Counter("vllm:request_success", "x", [*labels, "finished_reason"], registry=registry)
    done.labels("0", model, "stop").inc(7)
    done.labels("0", model, "length").inc(2)
    for name, value in (
        ("request_prompt_tokens", 128),
        ("request_generation_tokens", 279),
        ("request_queue_time_seconds", 0.5),
        ("time_to_first_token_seconds", 0.7),
        (itl, 0.02),
    ):
        Histogram(f"vllm:{name}", "x", labels, registry=registry).labels("0", model).observe(value)
    Histogram("http_request_duration_seconds", "x", registry=registry).observe(1)
    return generate_latest(registry)


@pytest.mark.parametrize("itl", ["inter_token_latency_seconds", "time_per_output_token_seconds"])
def test_old_and_new_vllm_are_read_alike(itl: str) -> None:
    cells = parse_exposition(vllm(itl=itl))[MODEL]
    assert cells[Metric.COMPLETED] == 9
    assert (cells[Metric.RUNNING], cells[Metric.WAITING]) == (3, 1)
    assert (cells[Metric.PROMPT_TOKENS_SUM], cells[Metric.GENERATION_TOKENS_SUM]) == (128, 279)
    assert (cells[Metric.ITL_SECONDS_SUM], cells[Metric.ITL_SECONDS_COUNT]) == (0.02, 1)


def test_the_newer_of_two_names_wins() -> None:
    text = vllm() + b'vllm:time_per_output_token_seconds_sum{model_name="Qwen/Qwen3-0.6B"} 99\n'
    assert parse_exposition(text)[MODEL][Metric.ITL_SECONDS_SUM] == 0.02


def test_engines_of_one_pod_are_added_up() -> None:
    text = exposition(running=2) + exposition(running=3).replace(b'engine="0"', b'engine="1"')
    assert parse_exposition(text)[MODEL][Metric.RUNNING] == 5


def test_gauges_without_completions_mean_none_yet() -> None:
    assert parse_exposition(exposition(running=1))[MODEL][Metric.COMPLETED] == 0


def test_nothing_of_vllm_is_nothing() -> None:
    assert parse_exposition(b"process_cpu_seconds_total 12\n") == {}


def test_what_was_not_exposed_is_absent_not_zero() -> None:
    assert math.isnan(parse_exposition(exposition(running=1))[MODEL][Metric.TTFT_SECONDS_SUM])


@pytest.mark.parametrize("number", ["NaN", "+Inf", "-1", "much", "1e999"])
def test_numbers_that_cannot_be_are_unusable(number: str) -> None:
    cells = parse_exposition(exposition(done=number, running=1))[MODEL]
    assert cells[Metric.COMPLETED] == UNUSABLE


def test_label_values_may_hold_anything() -> None:
    text = rb'vllm:num_requests_running{a="}{,x",model_name="a\"b\\c}d"} 4 1700000000000' + b"\r\n"
    assert parse_exposition(text)['a"b\\c}d'][Metric.RUNNING] == 4


def test_series_without_a_model_name_are_kept_apart() -> None:
    assert parse_exposition(b"vllm:num_requests_running 4\n")[""][Metric.RUNNING] == 4


@given(st.binary(max_size=300))
def test_nonsense_is_passed_over(noise: bytes) -> None:
    text = b"vllm:num_requests_running{" + noise + b"\n" + vllm()
    assert parse_exposition(text)[MODEL][Metric.COMPLETED] == 9
