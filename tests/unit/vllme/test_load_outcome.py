"""Counts and percentiles."""

import pytest

from vllm_emulator.load.outcome import Outcome, Slo, Tally, distributions, percentile, summary

SLO = Slo(itl_ms=24, ttft_ms=500)


def an_outcome(
    *, ttft_ms: float | None = 100, itl_ms: float | None = 21, error: str | None = None
) -> Outcome:
    return Outcome(1000.0, e2e_ms=6000, ttft_ms=ttft_ms, itl_ms=itl_ms, output_tokens=279, error=error)


def test_percentiles_are_interpolated() -> None:
    assert percentile([1, 2, 3, 4], 50) == 2.5
    assert percentile([1, 2, 3, 4], 100) == 4
    assert percentile([7], 99) == 7


def test_the_share_within_the_slo_counts_a_failed_request_as_a_miss() -> None:
    outcomes = [an_outcome(ttft_ms=ttft_ms) for ttft_ms in (100, 500, 501)] + [an_outcome(error="lost")]
    measured = distributions(outcomes, SLO)
    assert measured["ttft"].within == 0.5
    assert measured["itl"].within == 0.75
    assert measured["e2e"].within is None
    assert measured["ttft"].mean_ms == pytest.approx(367)


def test_without_streaming_only_the_end_to_end_latency_is_shown() -> None:
    assert list(distributions([an_outcome(ttft_ms=None, itl_ms=None)], SLO)) == ["e2e"]


def test_a_line_of_the_report_says_when_it_was_sent_and_how_it_went() -> None:
    assert an_outcome().as_json() == {
        "t": 1000.0,
        "ttft_ms": 100,
        "itl_ms": 21,
        "e2e_ms": 6000,
        "output_tokens": 279,
        "ok": True,
    }
    assert an_outcome(error="lost").as_json()["error"] == "lost"


def test_the_summary_accounts_for_every_request() -> None:
    tally = Tally(sent=4, dropped=2, outcomes=[an_outcome(), an_outcome(error="lost")])
    line = summary(tally, SLO, seconds=10)["summary"]
    assert isinstance(line, dict)
    counts = {name: line[name] for name in ("sent", "ok", "failed", "unfinished", "dropped", "errors")}
    assert counts == {"sent": 4, "ok": 1, "failed": 1, "unfinished": 2, "dropped": 2, "errors": {"lost": 1}}
    assert line["itl_ms"] == {
        "mean": 21,
        "p50": 21,
        "p90": 21,
        "p95": 21,
        "p99": 21,
        "slo": 24,
        "within": 0.5,
    }


def test_the_summary_of_nothing_is_counts_only() -> None:
    assert "ttft_ms" not in str(summary(Tally(), SLO, seconds=0))
