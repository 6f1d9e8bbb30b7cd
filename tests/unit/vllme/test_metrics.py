"""What Prometheus reads, through its own parser."""

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from vllm_emulator.engine import Engine, Job, Profile
from vllm_emulator.metrics import MetricNames, VllmMetrics, one_two_five

MODEL = "Qwen/Qwen3-0.6B"


def scrape(metrics: VllmMetrics) -> dict[str, float]:
    """Samples by name and the labels that matter, without model and engine."""
    samples = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            assert sample.labels.pop("model_name") == MODEL
            sample.labels.pop("engine", None)
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            samples[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return samples


def a_served_engine(names: MetricNames = MetricNames.NEW) -> VllmMetrics:
    """Batch of one, 11 ms per token: job 1 with 2 tokens, job 2 with 3 (its max_tokens), job 3 has begun."""
    engine = Engine(Profile(alpha_ms=10, beta_ms=1, max_batch_size=1))
    metrics = VllmMetrics(engine, model_name=MODEL, names=names, max_model_len=1000, kv_cache_tokens=100)
    engine.submit(Job(1, 0, input_tokens=5, output_tokens=2))
    engine.submit(Job(2, 0, input_tokens=7, output_tokens=3, capped=True))
    engine.submit(Job(3, 0, input_tokens=20, output_tokens=9))
    engine.submit(Job(4, 0, input_tokens=20, output_tokens=9))
    for token in engine.advance(66):
        metrics.token(token)
    return metrics


def test_counters_histograms_and_gauges_tell_what_the_engine_did() -> None:
    samples = scrape(a_served_engine())
    expected = {
        "vllm:request_success_total{finished_reason=stop}": 1,
        "vllm:request_success_total{finished_reason=length}": 1,
        "vllm:request_success_total{finished_reason=abort}": 0,
        "vllm:request_prompt_tokens_sum": 12,
        "vllm:request_prompt_tokens_count": 2,
        "vllm:request_generation_tokens_sum": 5,
        "vllm:request_generation_tokens_count": 2,
        "vllm:prompt_tokens_total": 32,
        "vllm:generation_tokens_total": 6,
        "vllm:request_queue_time_seconds_sum": 0.022,
        "vllm:time_to_first_token_seconds_sum": 0.011 + 0.033 + 0.066,
        "vllm:time_to_first_token_seconds_count": 3,
        "vllm:inter_token_latency_seconds_sum": 3 * 0.011,
        "vllm:inter_token_latency_seconds_count": 3,
        "vllm:e2e_request_latency_seconds_sum": 0.022 + 0.055,
        "vllm:num_requests_running": 1,
        "vllm:num_requests_waiting": 1,
        "vllm:kv_cache_usage_perc": 0.21,
    }
    assert {name: samples[name] for name in expected} == pytest.approx(expected)


def test_histograms_have_the_bounds_of_vllm() -> None:
    samples = scrape(a_served_engine())
    assert samples["vllm:inter_token_latency_seconds_bucket{le=0.01}"] == 0
    assert samples["vllm:inter_token_latency_seconds_bucket{le=0.025}"] == 3
    assert samples["vllm:time_to_first_token_seconds_bucket{le=0.04}"] == 2
    assert samples["vllm:e2e_request_latency_seconds_bucket{le=0.3}"] == 2
    assert samples["vllm:request_generation_tokens_bucket{le=2.0}"] == 1


def test_old_names_replace_the_new_ones() -> None:
    samples = scrape(a_served_engine(MetricNames.OLD))
    assert samples["vllm:time_per_output_token_seconds_count"] == 3
    assert samples["vllm:gpu_cache_usage_perc"] == pytest.approx(0.21)
    assert not [name for name in samples if "inter_token" in name or "kv_cache" in name]


def test_only_the_new_engine_labels_its_series_with_its_number() -> None:
    assert b'engine="0"' in generate_latest(a_served_engine().registry)
    assert b"engine=" not in generate_latest(a_served_engine(MetricNames.OLD).registry)


def test_a_request_that_was_given_up_counts_as_abort() -> None:
    metrics = a_served_engine()
    metrics.aborted()
    assert scrape(metrics)["vllm:request_success_total{finished_reason=abort}"] == 1


def test_token_bounds_go_1_2_5_up_to_the_models_length() -> None:
    assert one_two_five(1000) == (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
    assert one_two_five(40) == (1, 2, 5, 10, 20)
