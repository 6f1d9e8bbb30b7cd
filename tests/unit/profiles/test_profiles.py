"""A profile is fitted from what a benchmark measured, and says how sure it is."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.__main__ import parameters, table
from profiles.fit import TooFewMeasurementsError, fit_line, fit_profile
from profiles.measurements import Measurement, UnreadableMeasurementError, in_service, read
from profiles.snippet import Target, snippet

BATCHES = (1.0, 2.0, 4.0, 8.0)
SEED = [Measurement(n, 20.58 + 0.41 * n) for n in BATCHES]


def test_the_guides_profile_is_found_again() -> None:
    line = fit_profile(SEED).decode
    assert line.intercept.value == pytest.approx(20.58)
    assert line.slope.value == pytest.approx(0.41)
    assert line.r_squared == pytest.approx(1)
    assert line.slope.margin == pytest.approx(0, abs=1e-9)


def test_prefill_is_fitted_when_ttft_was_measured() -> None:
    runs = [Measurement(n, 20.58 + 0.41 * n, 200 + 0.01 * 128 * n, 128.0) for n in BATCHES]
    prefill = fit_profile(runs).prefill
    assert prefill is not None
    assert prefill.intercept.value == pytest.approx(200)
    assert prefill.slope.value == pytest.approx(0.01)
    assert fit_profile(SEED).prefill is None


def test_least_squares_and_its_errors_by_hand() -> None:
    # x 0 1 2, y 0 3 3: mean 2, slope 3/2, intercept 1/2; residuals -1/2 1 -1/2; leverages 5/6 1/3 5/6;
    # e/(1-h): -3 3/2 -3. Variance of the slope: ((-1)^2 9 + 0 + 1 9) / 2^2 = 4.5; t(1) = 12.706.
    line = fit_line([0, 1, 2], [0.0001, 3, 3])
    assert line.slope.value == pytest.approx(1.5, rel=1e-3)
    assert line.intercept.value == pytest.approx(0.5, rel=1e-3)
    assert line.slope.margin == pytest.approx(12.706 * 4.5**0.5, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(alpha=st.floats(1, 100), beta=st.floats(0.1, 5), seed=st.integers(0, 2**16))
def test_noise_of_one_percent_moves_alpha_by_a_few_percent(alpha: float, beta: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    batches = np.repeat([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], 3)
    measured = (alpha + beta * batches) * random.normal(1, 0.01, batches.size)
    line = fit_line(batches.tolist(), measured.tolist())
    assert line.intercept.value == pytest.approx(alpha, abs=0.03 * (alpha + 8 * beta))
    assert line.slope.value == pytest.approx(beta, abs=0.002 * alpha + 0.06 * beta)


def test_parameters_are_never_negative() -> None:
    falling, steep = fit_line([1, 2, 3], [30, 29, 28]), fit_line([1, 2, 3], [1, 12, 23])
    assert (falling.slope.value, falling.intercept.value) == (0, 29)
    assert steep.intercept.value == 0
    assert "does not grow" in parameters(fit_profile([Measurement(n, 30 - n) for n in (1, 2, 3)]))


def test_a_curve_is_not_sold_as_a_line() -> None:
    curved = fit_profile([Measurement(n, 20 + 0.05 * n * n) for n in (1, 8, 16, 32)])
    assert any("off the line" in warning for warning in curved.warnings)


@pytest.mark.parametrize("runs", [SEED[:2], [Measurement(4, 22), Measurement(4, 22.1), Measurement(4, 22)]])
def test_too_few_concurrencies_say_what_to_measure(runs: list[Measurement]) -> None:
    with pytest.raises(TooFewMeasurementsError, match="at least 3 concurrencies"):
        fit_profile(runs)


def test_the_batch_is_what_the_server_worked_on_together() -> None:
    assert in_service(2, 60, 21, 200) == pytest.approx(8.478)


def test_what_vllm_bench_serve_saves_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c8.json"
    saved = {
        "duration": 100.0,
        "completed": 200,
        "total_input_tokens": 25_600,
        "total_output_tokens": 40_000,
        "mean_ttft_ms": 60.0,
        "mean_itl_ms": 21.0,
        "max_concurrency": 9,
    }
    path.write_text(json.dumps(saved))
    (run,) = read([path])
    assert (run.itl_ms, run.ttft_ms, run.input_tokens, run.output_tokens) == (21, 60, 128, 200)
    assert run.batch == pytest.approx(8.478)


def test_csv_is_read_and_sorted_by_batch(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("concurrency,itl_ms\n4,22.22\n1,20.99\n2,21.4\n")
    assert [m.batch for m in read([path])] == [1, 2, 4]


@pytest.mark.parametrize("text", ["itl_ms\n21\n", "concurrency,itl_ms\n1,\n", "concurrency,itl_ms\n0,21\n"])
def test_an_unusable_file_is_named_with_what_is_expected(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(text)
    with pytest.raises(UnreadableMeasurementError, match=r"runs\.csv.*vllm bench serve"):
        read([path])


@pytest.mark.parametrize("prefill", [False, True])
def test_the_snippet_is_a_variant_that_the_custom_resource_takes(*, prefill: bool) -> None:
    runs = [Measurement(n, 20.58 + 0.41 * n, 50.0 + n if prefill else None, 100.0) for n in BATCHES]
    target = Target("v", "ns", "my/model", "H100", 2, 8)
    (entry,) = yaml.safe_load(snippet(target, fit_profile(runs)))["spec"]["modelProfile"]["accelerators"]
    decode = {"alpha": "20.58", "beta": "0.41"}
    assert (entry["acc"], entry["accCount"], entry["maxBatchSize"]) == ("H100", 2, 8)
    if prefill:
        assert entry["perfParms"] == {
            "decodeParms": decode,
            "prefillParms": {"gamma": "50", "delta": "0.01"},
        }
    else:
        assert {name: entry[name] for name in decode} == decode


def test_the_table_shows_every_run_beside_the_fit() -> None:
    lines = table(SEED, fit_profile(SEED).decode).splitlines()
    assert lines[1].split()[:4] == ["1.00", "20.990", "20.990", "+0.0%"]
