"""Decisions in words."""

from builders import a_snapshot
from inferno_actuator.explain import headline, in_words
from inferno_shared.contracts import SloTarget
from unit.actuator.world import a_held_allocation, a_known, a_plan, a_problem, decided, persisted


def test_a_headline_says_from_what_to_what_and_why() -> None:
    assert headline(decided()) == (
        "1 -> 3 replicas on H100 (SloBinds): 37.5 requests/min need 3 replicas of 14.31"
    )


def test_the_words_tell_the_whole_story_in_order() -> None:
    words = in_words(decided(), SloTarget(model="Qwen/Qwen3-0.6B", itl_ms=24, ttft_ms=500))
    assert words[0].endswith("serves Qwen/Qwen3-0.6B in class Premium, promised ITL 24 ms, TTFT 500 ms.")
    assert [sentence.split()[0] for sentence in words[1:4]] == [
        "TargetResolved",
        "MetricsAvailable",
        "OptimizationReady",
    ]
    assert words[-2] == "That is more than before (1)."
    assert words[-1] == (
        "Expected then: ITL 21.48 ms, mean wait 101.37 ms, TTFT 101.37 ms, "
        "at most 14.31 requests/min per replica within the SLO, utilisation 71%."
    )


def test_a_held_variant_promises_nothing() -> None:
    words = in_words(decided(plan=a_plan(a_snapshot(), [a_held_allocation()])), None)
    assert not any("Expected" in sentence for sentence in words)


def test_a_variant_without_a_target_has_nothing_desired() -> None:
    problem = a_problem("TargetNotFound", "no Deployment of that name")
    gone = a_snapshot(variants=[]).model_copy(update={"problems": [problem]})
    decision = decided(gone, known=a_known(status=persisted(4)))
    assert headline(decision) == (
        "unknown -> no desired replicas (TargetNotFound): no Deployment of that name"
    )
