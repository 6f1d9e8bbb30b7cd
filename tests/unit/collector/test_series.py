from typing import Any

from builders import SEED_MODEL, SEED_NAMESPACE
from inferno_collector.roster import Roster, ServingPod
from inferno_collector.samples import UNUSABLE, Metric, usable
from inferno_collector.sources.matrix import read_series
from inferno_collector.sources.series import Placed, place_series

POD = (SEED_NAMESPACE, "p-0")
ROSTER = {POD: ServingPod(POD, (SEED_NAMESPACE, "v"), address="10.0.0.1:8200")}


def series(name: str, *values: Any, **labels: str) -> dict[str, Any]:  # noqa: ANN401 - what an API may send
    """One series of the API, a value every 15 s."""
    base = {"__name__": f"vllm:{name}", "model_name": SEED_MODEL, "instance": "10.0.0.1:8200", "job": "vllm"}
    return {
        "metric": base | {"namespace": SEED_NAMESPACE, "pod": "p-0"} | labels,
        "values": [[15 * n, str(value)] for n, value in enumerate(values)],
    }


def placed_series(entries: list[dict[str, Any]], roster: Roster) -> Placed:
    return place_series(read_series(entries), roster)


def test_series_of_one_pod_become_rows() -> None:
    placed = placed_series(
        [
            series("request_success_total", 1, 4, finished_reason="stop"),
            series("request_success_total", 0, 1, finished_reason="length"),
            series("num_requests_running", 2, 3),
        ],
        {},
    )
    [history] = placed.by_pod[POD][SEED_MODEL]
    assert list(history.times) == [0, 15]
    assert list(history.column(Metric.COMPLETED)) == [1, 5]
    assert list(history.column(Metric.RUNNING)) == [2, 3]


def test_exported_labels_come_before_the_scrapers_own() -> None:
    labels = {"pod": "federator", "namespace": "monitoring"}
    exported = {"exported_pod": "p-0", "exported_namespace": SEED_NAMESPACE}
    placed = placed_series([series("num_requests_running", 1, **labels, **exported)], {})
    assert list(placed.by_pod) == [POD]


def test_without_a_pod_label_the_scraped_address_tells_the_pod() -> None:
    placed = placed_series([series("num_requests_running", 1, pod="", namespace="")], ROSTER)
    assert list(placed.by_pod) == [POD]


def test_a_pod_name_without_a_namespace_is_enough_when_it_is_unique() -> None:
    placed = placed_series([series("num_requests_running", 1, namespace="", instance="x:1")], ROSTER)
    assert list(placed.by_pod) == [POD]


def test_series_that_name_no_pod_belong_to_the_model() -> None:
    placed = placed_series([series("num_requests_running", 1, pod="", instance="lb:80")], ROSTER)
    assert list(placed.by_model) == [(SEED_NAMESPACE, SEED_MODEL)]


def test_one_endpoint_scraped_twice_counts_once() -> None:
    twice = [
        series("num_requests_running", 2, 3),
        series("num_requests_running", 2, 3, job="podmonitor/other"),
        series("num_requests_running", 2, prometheus_replica="b"),
    ]
    [history] = placed_series(twice, {}).by_pod[POD][SEED_MODEL]
    assert list(history.column(Metric.RUNNING)) == [2, 3]


def test_two_endpoints_of_one_pod_are_two_histories() -> None:
    both = [series("num_requests_running", 2), series("num_requests_running", 5, instance="10.0.0.1:8201")]
    assert len(placed_series(both, {}).by_pod[POD][SEED_MODEL]) == 2


def test_a_finish_reason_seen_for_the_first_time_is_no_jump() -> None:
    late = series("request_success_total", 100, 101, finished_reason="abort")
    late["values"] = [[30, "40"]]
    placed = placed_series([series("request_success_total", 5, 6, 7, finished_reason="stop"), late], {})
    [history] = placed.by_pod[POD][SEED_MODEL]
    assert list(history.column(Metric.COMPLETED)) == [45, 46, 47]


def test_an_engine_with_gauges_and_no_completions_has_completed_nothing() -> None:
    [history] = placed_series([series("num_requests_running", 1, 2)], {}).by_pod[POD][SEED_MODEL]
    assert list(history.column(Metric.COMPLETED)) == [0, 0]


def test_nan_is_unusable_not_zero() -> None:
    [history] = placed_series([series("request_success_total", 1, "NaN")], {}).by_pod[POD][SEED_MODEL]
    assert list(history.column(Metric.COMPLETED)) == [1, UNUSABLE]


def test_old_and_new_names_feed_one_column() -> None:
    old = series("time_per_output_token_seconds_sum", 9, pod="p-1", instance="10.0.0.2:8200")
    new = series("inter_token_latency_seconds_sum", 4)
    placed = placed_series([old, new, series("time_per_output_token_seconds_sum", 99)], {})
    [first] = placed.by_pod[POD][SEED_MODEL]
    [second] = placed.by_pod[SEED_NAMESPACE, "p-1"][SEED_MODEL]
    assert first.value(Metric.ITL_SECONDS_SUM, 0) == 4
    assert second.value(Metric.ITL_SECONDS_SUM, 0) == 9


def test_what_is_not_a_series_is_passed_over() -> None:
    noise: list[dict[str, Any]] = [
        {},
        {"metric": [], "values": []},
        {"metric": {"__name__": "vllm:num_requests_running"}, "histograms": []},
        {"metric": {"__name__": "up"}, "values": [[0, "1"]]},
        {"metric": {"__name__": "vllm:num_requests_running"}, "values": [["x", "1"], [1], None, [2, {}]]},
    ]
    placed = placed_series(noise, {})
    assert (placed.by_pod, placed.by_model) == ({}, {})


def test_a_gauge_that_has_ended_is_unknown_while_the_counters_go_on() -> None:
    running = series("num_requests_running", 7, 7, 7)
    counters = series("request_success_total", *range(9))
    [history] = placed_series([running, counters], {}).by_pod[POD][SEED_MODEL]
    column = list(history.column(Metric.RUNNING))
    assert column[:5] == [7] * 5  # held for two scrapes
    assert not any(map(usable, column[5:]))


def test_copies_by_two_replicas_whose_times_differ_are_no_gap() -> None:
    running = series("num_requests_running", 1, 2, 3, 4)
    running["values"] = [[time + 7, value] for time, value in running["values"]]
    counters = series("request_success_total", 0, 1, 2, 3)
    [history] = placed_series([running, counters], {}).by_pod[POD][SEED_MODEL]
    assert list(history.times) == [0, 7, 15, 22, 30, 37, 45, 52]
    assert list(history.column(Metric.RUNNING)) == [1, 1, 1, 2, 2, 3, 3, 4]


def test_series_that_are_asked_for_a_shorter_time_begin_with_their_first_value() -> None:
    latency = series("time_to_first_token_seconds_sum", 8, 9)
    latency["values"] = [[30, "8"], [45, "9"]]
    counters = series("request_success_total", 0, 1, 2, 3)
    [history] = placed_series([latency, counters], {}).by_pod[POD][SEED_MODEL]
    assert list(history.column(Metric.TTFT_SECONDS_SUM)) == [8, 8, 8, 9]


def test_an_engine_that_has_ended_no_longer_counts_into_the_gauge() -> None:
    gone = series("num_requests_running", 5, 5, engine="1")
    staying = series("num_requests_running", *[2] * 9, engine="0")
    [history] = placed_series([gone, staying], {}).by_pod[POD][SEED_MODEL]
    assert list(history.column(Metric.RUNNING))[-1] == 2


def rows_of(placed: Placed) -> list[tuple[float, float, float]]:
    [history] = placed.by_pod[POD][SEED_MODEL]
    done, running = history.column(Metric.COMPLETED), history.column(Metric.RUNNING)
    return list(zip(history.times, done, running, strict=True))


def from_row(first: int, *entries: dict[str, Any], until: int | None = None) -> list[dict[str, Any]]:
    return [entry | {"values": entry["values"][first:until]} for entry in entries]


def test_a_reading_that_continues_another_says_the_same_as_one_of_everything() -> None:
    both = series("request_success_total", 1, 2, 4, 7, 11), series("num_requests_running", 5, 4, 3, 2, 1)
    first = place_series(read_series(from_row(0, *both, until=3)), {})
    later = place_series(read_series(from_row(2, *both)), {}, dict(first.kept), since=0)
    assert rows_of(later) == rows_of(placed_series(list(both), {}))
    shorter = place_series(read_series(from_row(2, *both)), {}, first.kept, since=20)
    assert rows_of(shorter) == rows_of(later)[1:]


def test_rows_that_were_told_again_count_once_and_as_told_last() -> None:
    first = placed_series([series("num_requests_running", 1, 2, 9)], {})
    again = from_row(1, series("num_requests_running", 1, 2, 3, 4))
    later = place_series(read_series(again), {}, first.kept)
    assert [running for *_, running in rows_of(later)] == [1, 2, 3, 4]


def test_a_pod_that_is_not_told_of_any_more_is_kept_until_its_rows_are_too_old() -> None:
    first = placed_series([series("num_requests_running", 1, 2)], {})
    assert rows_of(place_series([], {}, first.kept, since=15)) == rows_of(first)
    assert place_series([], {}, first.kept, since=15.1).by_pod == {}


def test_a_sum_of_other_series_does_not_continue_the_one_before() -> None:
    """An engine's end would look like a restart, a new finish reason like completions in one moment."""
    of_two = [
        series("request_success_total", 100, 110, engine="0"),
        series("request_success_total", 50, 55, engine="1"),
    ]
    of_one = from_row(1, series("request_success_total", 100, 110, 120, engine="0"))
    later = place_series(read_series(of_one), {}, placed_series(of_two, {}).kept)
    assert [done for _, done, _ in rows_of(later)] == [110, 120]


def test_a_query_for_details_that_failed_does_not_cut_the_window() -> None:
    first = placed_series(
        [series("num_requests_running", 1, 2), series("request_prompt_tokens_sum", 5, 6)], {}
    )
    gauges = from_row(1, series("num_requests_running", 1, 2, 3))
    later = place_series(read_series(gauges), {}, first.kept)
    [history] = later.by_pod[POD][SEED_MODEL]
    assert [usable(tokens) for tokens in history.column(Metric.PROMPT_TOKENS_SUM)] == [True, False, False]
    assert list(history.column(Metric.RUNNING)) == [1, 2, 3]
