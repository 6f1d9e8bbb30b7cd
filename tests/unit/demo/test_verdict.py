"""The demo's verdict passes only for 1 -> 4 -> 1."""

import pytest

from demo.scenario import FULL
from demo.verdict import Observation, finished, judge, path


def seen(
    desired: int | None, *, seconds: float = 0, loaded: bool = True, ready: int | None = None
) -> Observation:
    replicas = desired if ready is None else ready
    return Observation(
        seconds=seconds,
        loaded=loaded,
        arrival_rate_rpm=50,
        desired=desired,
        followed=ready is None,
        replicas=replicas,
        ready=replicas,
        itl_p95_ms=None,
        ttft_p95_ms=None,
        cost_per_hour=None,
    )


def test_path_shows_changes_only_and_skips_the_unknown() -> None:
    assert path([None, 1, 1, 3, None, 3, 4, 1]) == "1 → 3 → 4 → 1"


@pytest.mark.parametrize("peak", [4, 5])
def test_up_to_four_or_five_and_back_passes(peak: int) -> None:
    run = [seen(1), seen(3), seen(peak), seen(2, loaded=False), seen(1, loaded=False, seconds=300)]
    assert all(check.passed for check in judge(run, FULL))


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ([seen(1), seen(3), seen(1, loaded=False)], "under load reach"),
        ([seen(1), seen(6), seen(1, loaded=False)], "under load reach"),
        ([seen(1), seen(4, ready=1), seen(1, loaded=False)], "followed"),
        ([seen(1), seen(4), seen(2, loaded=False)], "back to 1"),
        ([seen(1), seen(4), seen(1, loaded=False, seconds=481)], "within 480 s"),
        ([seen(2), seen(4), seen(1, loaded=False)], "started with 1"),
        ([], "started with 1"),
    ],
)
def test_any_other_run_fails_and_says_where(run: list[Observation], reason: str) -> None:
    failed = [check.text for check in judge(run, FULL) if not check.passed]
    assert any(reason in text for text in failed)


def test_finished_needs_the_load_to_be_over_and_one_ready_replica() -> None:
    assert finished([seen(1), seen(1, loaded=False)])
    assert not finished([seen(1, loaded=True)])
    assert not finished([seen(1), seen(1, loaded=False, ready=2)])
    assert not finished([seen(1, loaded=False)]), "the load has not begun"
    assert not finished([])
