import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferno_collector.samples import UNUSABLE
from inferno_collector.sources.matrix import Series, read_matrix, read_series

VALUES = st.sampled_from(["0", "1", "3.25", "1e+06", "NaN", "+Inf", "-1", "17280.0000"])
TEXTS = st.text(alphabet='ab"\\{}[],:é\u2028\n', max_size=12) | st.sampled_from(
    ['","values":[[', "]]}", '"}', "\\", '{"metric":']
)


@st.composite
def a_series(draw: st.DrawFn) -> dict[str, Any]:
    times = draw(st.lists(st.integers(0, 2_000_000_000), min_size=1, max_size=4, unique=True).map(sorted))
    labels = draw(st.dictionaries(st.sampled_from(["pod", "namespace", "x"]), TEXTS))
    name = draw(st.sampled_from(["vllm:a", "vllm:b", 'odd"name', "Ünlike"]))
    return {
        "metric": {"__name__": name} | labels,
        "values": [[time, draw(VALUES)] for time in times],
    }


def body_of(series: list[dict[str, Any]], *, compact: bool = True, **more: object) -> bytes:
    document = {"status": "success", "data": {"resultType": "matrix", "result": series}, **more}
    return json.dumps(document, separators=(",", ":") if compact else None).encode()


def plain(series: list[Series]) -> list[tuple[str, dict[str, str], list[float], list[float]]]:
    return [(s.name, dict(s.labels), list(s.times), list(s.cells)) for s in series]


@given(st.lists(a_series(), max_size=5), st.booleans())
def test_both_ways_of_reading_say_the_same(series: list[dict[str, Any]], compact: bool) -> None:  # noqa: FBT001
    document, found = read_matrix(body_of(series, compact=compact, warnings=["w"]))
    assert plain(list(found)) == plain(read_series(series))
    assert document["data"]["resultType"] == "matrix"
    assert document["warnings"] == ["w"]


def test_series_of_one_target_share_labels_and_times() -> None:
    values = [[0, "1"], [15, "2"]]
    labels = {"pod": "p", "namespace": "ns"}
    first, second = read_matrix(
        body_of([{"metric": {"__name__": f"vllm:{n}"} | labels, "values": values} for n in "ab"])
    ).series
    assert first.labels is second.labels
    assert first.times is second.times


@pytest.mark.parametrize(
    "values",
    [
        [[0, "1"], [15, "x"], [30, "3"]],
        [[0, "1"], [15], [30, "3"]],
        [[0, "1"], [15, "2", 3], [30, "3"]],
        [[0, "1"], None, [30, "3"]],
        [[0, "1"], [30, "3"], [15, "2"]],
        [[0, "1"], [0, "9"], [30, "3"]],
        [[0, "1"], {"a": 1}, [30, "3"]],
    ],
)
def test_a_pair_of_another_shape_costs_only_itself(values: list[Any]) -> None:
    [found] = read_matrix(body_of([{"metric": {"__name__": "vllm:a"}, "values": values}])).series
    assert (list(found.times), list(found.cells)) == ([0, 30], [1, 3])


def test_what_is_no_count_is_unusable_never_zero() -> None:
    values = [[n, value] for n, value in enumerate(["NaN", "+Inf", "-Inf", "-1", "0"])]
    [found] = read_matrix(body_of([{"metric": {"__name__": "vllm:a"}, "values": values}])).series
    assert list(found.cells) == [UNUSABLE] * 4 + [0]


@pytest.mark.parametrize(
    "entry",
    [
        None,
        7,
        {},
        {"metric": {"__name__": "vllm:a"}},
        {"metric": {"__name__": "vllm:a"}, "values": []},
        {"metric": {"__name__": "vllm:a"}, "values": [["x", "1"]]},
        {"metric": {"__name__": "vllm:a"}, "histogram": [[0, {}]]},
        {"metric": [], "values": [[0, "1"]]},
    ],
)
def test_a_series_that_is_none_costs_only_itself(entry: object) -> None:
    good = {"metric": {"__name__": "vllm:a", "pod": "p"}, "values": [[0, "1"]]}
    body = body_of([good, entry, good])  # type: ignore[list-item]
    assert plain(list(read_matrix(body).series)) == plain(read_series([good, good]))


def test_labels_that_are_no_texts_become_texts() -> None:
    [found] = read_matrix(
        body_of([{"metric": {"__name__": "vllm:a", "pod": 7}, "values": [[0, "1"]]}])
    ).series
    assert found.labels == {"pod": "7"}


@pytest.mark.parametrize("cut", range(1, 110, 9))
def test_a_body_that_is_cut_off_is_an_error(cut: int) -> None:
    body = body_of([{"metric": {"__name__": "vllm:a", "pod": "p"}, "values": [[0, "1"], [15, "2"]]}])
    with pytest.raises(ValueError, match=r".+"):
        read_matrix(body[:-cut])
