from typing import Any

import pytest

from builders import SEED_MODEL, SEED_NAME, SEED_NAMESPACE
from inferno_collector.demand import DemandPolicy, Memory, TokenMeans
from inferno_collector.loads import MeasuredLoad, Server, measure_loads
from inferno_collector.roster import ServingPod
from inferno_collector.sources import LoadReading
from inferno_collector.sources.matrix import read_series
from inferno_collector.sources.series import place_series
from inferno_shared.contracts import LoadState
from unit.collector.scrapes import history, row, steady

POLICY = DemandPolicy()
KEY = (SEED_NAMESPACE, SEED_NAME)


def a_pod(name: str = "p-0", *, ready: bool = True, variant: str = SEED_NAME) -> ServingPod:
    return ServingPod(
        key=(SEED_NAMESPACE, name),
        variant=(SEED_NAMESPACE, variant),
        born_at=-1000,
        ready_at=-900 if ready else None,
        ready=ready,
    )


def a_server(*pods: ServingPod, name: str = SEED_NAME, model: str = SEED_MODEL) -> Server:
    return Server((SEED_NAMESPACE, name), model, pods)


def measured(
    reading: LoadReading, *servers: Server, remembered: TokenMeans | None = None
) -> list[MeasuredLoad]:
    loads = measure_loads(
        servers,
        reading,
        now=60,
        policy=POLICY,
        remembered={KEY: Memory(remembered)} if remembered else {},
    )
    return [loads.by_variant[server.key] for server in servers]


def test_a_variants_own_pods_make_its_load() -> None:
    reading = LoadReading("scrape", by_pod={(SEED_NAMESPACE, "p-0"): {SEED_MODEL: (steady(30),)}})
    [found] = measured(reading, a_server(a_pod()))
    assert found.load.state is LoadState.OBSERVED
    assert found.load.arrival_rate_rpm == pytest.approx(30)
    assert (found.load.input_tokens, found.load.output_tokens) == (100, 200)
    assert found.load.source == "scrape"
    assert found.load.observed_at is not None
    assert found.load.observed_at.timestamp() == 60
    assert found.problem is None


def test_latencies_are_in_milliseconds() -> None:
    scraped = history(
        row(0, done=0, itl=0, itls=0, queue=0, queues=0, ttft=0, ttfts=0),
        row(60, done=10, itl=2.0, itls=100, queue=0.5, queues=10, ttft=1.5, ttfts=10),
    )
    reading = LoadReading("scrape", by_pod={(SEED_NAMESPACE, "p-0"): {SEED_MODEL: (scraped,)}})
    [found] = measured(reading, a_server(a_pod()))
    assert (found.observed.itl_ms, found.observed.wait_ms, found.observed.ttft_ms) == (20, 50, 150)


def test_a_failed_source_makes_every_load_unknown_with_its_reason() -> None:
    [found] = measured(LoadReading("prometheus", failure="connection refused"), a_server(a_pod()))
    assert found.load.state is LoadState.UNKNOWN
    assert found.load.message == "connection refused"
    assert found.problem is not None
    assert found.problem.reason == "PrometheusError"


def test_pods_that_serve_another_name_are_missing_metrics_and_the_name_is_told() -> None:
    reading = LoadReading("scrape", by_pod={(SEED_NAMESPACE, "p-0"): {"qwen3": (steady(30),)}})
    [found] = measured(reading, a_server(a_pod()))
    assert found.problem is not None
    assert found.problem.reason == "MetricsMissing"
    assert found.problem.message.startswith(f"the pods serve qwen3, not {SEED_MODEL}: set spec.modelID")


def test_a_model_without_series_is_told_which_models_there_are() -> None:
    reading = LoadReading("prometheus", by_model={("other", "llama"): (steady(3),)})
    [found] = measured(reading, a_server(a_pod()))
    assert found.problem is not None
    assert f"no series has model_name {SEED_MODEL}; there are: llama" in found.problem.message


def test_series_that_name_other_pods_point_to_the_labels() -> None:
    reading = LoadReading("prometheus", by_pod={("x", "stranger"): {SEED_MODEL: (steady(3),)}})
    [found] = measured(reading, a_server(a_pod()))
    assert found.problem is not None
    assert "none names a pod of this variant (seen: x/stranger)" in found.problem.message


def test_no_series_at_all_says_so() -> None:
    [found] = measured(LoadReading("prometheus"), a_server(a_pod()))
    assert found.problem is not None
    assert "no vllm: series exists at all" in found.problem.message


def test_a_pod_without_a_model_label_serves_the_variants_model() -> None:
    reading = LoadReading("scrape", by_pod={(SEED_NAMESPACE, "p-0"): {"": (steady(30),)}})
    [found] = measured(reading, a_server(a_pod()))
    assert found.load.arrival_rate_rpm == pytest.approx(30)


def test_series_without_pods_are_shared_by_ready_replicas() -> None:
    reading = LoadReading("prometheus", by_model={(SEED_NAMESPACE, SEED_MODEL): (steady(40, running=4),)})
    one = a_server(a_pod("a-0", variant="a"), name="a")
    three = a_server(*(a_pod(f"b-{n}", variant="b") for n in range(3)), name="b")
    small, large = measured(reading, one, three)
    assert small.load.arrival_rate_rpm == pytest.approx(10)
    assert large.load.arrival_rate_rpm == pytest.approx(30)
    assert large.load.running == pytest.approx(3)
    assert large.load.message is not None
    assert "3 of the model's 4 ready replicas, 75% of its total" in large.load.message


def test_series_without_pods_are_shared_evenly_while_none_is_ready() -> None:
    reading = LoadReading("prometheus", by_model={("", SEED_MODEL): (steady(40),)})
    loads = measured(reading, a_server(name="a"), a_server(name="b"))
    assert [found.load.arrival_rate_rpm for found in loads] == pytest.approx([20, 20])


def test_endpoints_without_pods_are_rated_each_so_that_one_restart_is_no_flood() -> None:
    restarted = history(row(0, done=1000), row(30, done=1010), row(60, done=5))
    reading = LoadReading(
        "prometheus", by_model={(SEED_NAMESPACE, SEED_MODEL): (steady(30), steady(30), restarted)}
    )
    [found] = measured(reading, a_server(a_pod()))
    assert found.load.arrival_rate_rpm == pytest.approx(30 + 30 + 15)


def test_idle_is_zero_and_unknown_is_not() -> None:
    idle = LoadReading("scrape", by_pod={(SEED_NAMESPACE, "p-0"): {SEED_MODEL: (steady(0),)}})
    [found] = measured(idle, a_server(a_pod()))
    assert (found.load.state, found.load.arrival_rate_rpm) == (LoadState.IDLE, 0)
    [unknown] = measured(LoadReading("scrape"), a_server(a_pod()))
    assert (unknown.load.state, unknown.load.arrival_rate_rpm) == (LoadState.UNKNOWN, None)


def test_why_a_pod_could_not_be_read_is_part_of_the_problem() -> None:
    errors = {(SEED_NAMESPACE, "p-0"): "http://10.0.0.1:8200/metrics answers 404"}
    [found] = measured(LoadReading("scrape", pod_errors=errors), a_server(a_pod()))
    assert found.problem is not None
    assert "answers 404" in found.problem.message


def test_token_means_are_remembered_through_a_cycle_without_any() -> None:
    known = TokenMeans(input_tokens=1, output_tokens=2, at=0)
    loads = measure_loads(
        [a_server(a_pod())], LoadReading("scrape"), now=60, policy=POLICY, remembered={KEY: Memory(known)}
    )
    assert loads.memory == {KEY: Memory(known)}


def test_token_means_of_variants_that_are_gone_are_forgotten() -> None:
    known = TokenMeans(input_tokens=1, output_tokens=2, at=0)
    loads = measure_loads([], LoadReading("scrape"), now=60, policy=POLICY, remembered={KEY: Memory(known)})
    assert loads.memory == {}


INCOMPLETE = "the answer may be incomplete: store gateway 2 is down"


def test_an_answer_that_may_be_incomplete_says_so_in_each_load() -> None:
    reading = LoadReading(
        "prometheus",
        by_pod={(SEED_NAMESPACE, "p-0"): {SEED_MODEL: (steady(30),)}},
        incomplete=INCOMPLETE,
    )
    [found] = measured(reading, a_server(a_pod()))
    assert found.load.arrival_rate_rpm == pytest.approx(30)
    assert INCOMPLETE in (found.load.message or "")


def test_a_total_over_an_unknown_part_of_the_pods_is_unknown() -> None:
    reading = LoadReading(
        "prometheus", by_model={(SEED_NAMESPACE, SEED_MODEL): (steady(30),)}, incomplete=INCOMPLETE
    )
    [found] = measured(reading, a_server(a_pod()))
    assert found.load.state is LoadState.UNKNOWN
    assert found.problem is not None
    assert found.problem.reason == "PrometheusError"
    assert INCOMPLETE in found.problem.message


def test_a_namespace_that_could_not_be_read_is_unknown_and_no_other() -> None:
    other = Server(("elsewhere", "v"), SEED_MODEL, [])
    reading = LoadReading(
        "prometheus",
        by_pod={(SEED_NAMESPACE, "p-0"): {SEED_MODEL: (steady(30),)}},
        failures={"elsewhere": "may not get pods.metrics.k8s.io"},
    )
    ours, theirs = measured(reading, a_server(a_pod()), other)
    assert ours.load.arrival_rate_rpm == pytest.approx(30)
    assert (theirs.load.state, theirs.load.message) == (LoadState.UNKNOWN, "may not get pods.metrics.k8s.io")


def test_old_and_new_names_of_one_metric_count_together_during_a_rollout() -> None:
    def series(pod: str, name: str, total: float) -> dict[str, Any]:
        labels = {"__name__": f"vllm:{name}", "model_name": SEED_MODEL, "namespace": SEED_NAMESPACE}
        return {
            "metric": labels | {"pod": pod, "instance": f"{pod}:1"},
            "values": [[0, "0"], [60, str(total)]],
        }

    placed = place_series(
        read_series(
            [
                series(pod, name, total)
                for pod, itl in (("p-0", "time_per_output_token"), ("p-1", "inter_token_latency"))
                for name, total in (
                    ("request_success_total", 15),
                    ("num_requests_running", 0),
                    ("request_generation_tokens_sum", 3000),
                    ("request_generation_tokens_count", 15),
                    (f"{itl}_seconds_sum", 30 if pod == "p-0" else 60),
                    (f"{itl}_seconds_count", 3000),
                )
            ]
        ),
        {},
    )
    [found] = measured(LoadReading("prometheus", by_pod=placed.by_pod), a_server(a_pod(), a_pod("p-1")))
    assert found.load.arrival_rate_rpm == pytest.approx(30)
    assert found.observed.itl_ms == pytest.approx(15)
