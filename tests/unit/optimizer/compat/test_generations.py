"""Each generation's profile, targets and load, with the numbers that its model is known to give."""

from typing import Any

import pytest

from unit.optimizer.compat.systems import (
    SECOND_PROFILE,
    THIRD_PROFILE,
    Json,
    a_class,
    a_profile,
    a_server,
    a_system,
    on_the_wire,
)

FLAT_CLASS: Json = {"name": "Premium", "model": "llama", "priority": 1, "slo-itl": 24, "slo-ttw": 500}
FIRST_LOAD: Json = {"arrivalRate": 37.5, "avgLength": 279, "arrivalCOV": 1, "serviceCOV": 1}


def the_allocation(system: Json) -> Json:
    [allocation] = on_the_wire(system)["allocations"].values()
    assert isinstance(allocation, dict)
    return allocation


def test_the_first_generation_promises_the_95th_percentile_of_the_wait() -> None:
    found = the_allocation(a_system(classes=[FLAT_CLASS], servers=[a_server(load=FIRST_LOAD)]))
    assert (found["accelerator"], found["numReplicas"], found["maxBatch"], found["cost"]) == (
        "H100",
        3,
        4,
        150,
    )
    assert found["itlAverage"] == pytest.approx(21.48383, rel=1e-6)
    assert found["waitAverage"] == pytest.approx(101.3704, rel=1e-6)
    assert found["utilization"] == pytest.approx(0.7103443, rel=1e-6)
    assert found["maxRatePerReplica"] == pytest.approx(14.308867, rel=1e-6)
    assert found["load"] == FIRST_LOAD
    assert "ttftAverage" not in found


def test_the_second_generation_reads_its_ttft_target_as_a_mean() -> None:
    system = a_system(
        profiles=[a_profile(form=SECOND_PROFILE)], classes=[a_class(ttft=500)], servers=[a_server(rate=12)]
    )
    found = the_allocation(system)
    assert (found["numReplicas"], found["cost"]) == (1, 50)
    assert found["maxRatePerReplica"] == pytest.approx(0.2682142 * 60, rel=1e-6)
    assert found["ttftAverage"] == pytest.approx(100.06592 + 202.80586, rel=1e-6)
    assert found["itlAverage"] == pytest.approx(21.478752, rel=1e-6)
    assert found["load"] == {"arrivalRate": 12, "avgInTokens": 128, "avgOutTokens": 279}
    assert "waitAverage" not in found


def test_the_second_generations_pairs_may_stand_within_perf_parms() -> None:
    inner = {k: v for k, v in SECOND_PROFILE.items() if k != "maxBatchSize"}
    nested = a_profile(form={"perfParms": inner, "maxBatchSize": 4})
    plain = a_profile(form=SECOND_PROFILE)
    assert the_allocation(a_system(profiles=[nested])) == the_allocation(a_system(profiles=[plain]))


def test_the_third_generation_reads_its_ttft_target_as_a_mean() -> None:
    load = {"arrivalRate": 180, "avgInTokens": 128, "avgOutTokens": 512}
    system = a_system(
        profiles=[a_profile(form=THIRD_PROFILE)],
        classes=[a_class(itl=30, ttft=1000)],
        servers=[a_server(load=load, maxQueueSize=128)],
    )
    found = the_allocation(system)
    assert found["numReplicas"] == 1
    assert found["ttftAverage"] == pytest.approx(67.61465, rel=1e-5)
    assert found["itlAverage"] == pytest.approx(20.118889, rel=1e-6)
    assert found["load"] == load


@pytest.mark.parametrize("form", [SECOND_PROFILE, THIRD_PROFILE])
def test_a_queue_left_out_is_ten_times_the_batch(form: Json) -> None:
    batch = form["maxBatchSize"]
    left_out = a_system(profiles=[a_profile(form=form)], servers=[a_server(rate=900)])
    stated = a_system(profiles=[a_profile(form=form)], servers=[a_server(rate=900, maxQueueSize=10 * batch)])
    assert the_allocation(left_out) == the_allocation(stated)


def test_a_queue_of_zero_is_honoured_and_tells_whom_it_turns_away() -> None:
    def system(**more: Any) -> Json:  # noqa: ANN401 - any field of a server
        profile = a_profile(form=THIRD_PROFILE, maxBatchSize=4)
        return a_system(profiles=[profile], servers=[a_server(rate=600, **more)], classes=[a_class(ttft=90)])

    roomy, none = the_allocation(system()), the_allocation(system(maxQueueSize=0))
    assert none["numReplicas"] < roomy["numReplicas"]
    assert none["blocking"] > 0.1
    assert none["message"].endswith(
        f"{none['blocking']:.2%} of the requests find the queue full (maxQueueSize 0) and are turned away"
    )
    assert "turned away" not in roomy["message"]


def test_generations_may_be_mixed_in_one_document() -> None:
    system = a_system(
        profiles=[a_profile("old"), a_profile("new", form=THIRD_PROFILE)],
        classes=[
            {**FLAT_CLASS, "model": "old"},
            a_class("Gold", 2, "new", itl=30, ttft=1000),
        ],
        servers=[
            a_server("a", model="old", load=FIRST_LOAD),
            a_server("b", model="new", service_class="Gold"),
        ],
    )
    allocations = on_the_wire(system)["allocations"]
    assert allocations["a"]["numReplicas"] == 3
    assert "waitAverage" in allocations["a"]
    assert "ttftAverage" in allocations["b"]


def test_a_batch_scales_with_the_tokens_unless_the_server_states_its_own() -> None:
    profile = a_profile(maxBatchSize=8, atTokens=140)
    assert the_allocation(a_system(profiles=[profile]))["maxBatch"] == 4  # 8 * 140 // 279
    own = a_system(profiles=[profile], servers=[a_server(maxBatchSize=6)])
    assert the_allocation(own)["maxBatch"] == 6


def test_a_throughput_target_asks_for_more_than_the_load() -> None:
    # 200 tokens/s of 279 tokens each are 43.01 requests/min, at 0.9 of the largest rate 28.96: two replicas.
    found = the_allocation(a_system(classes=[a_class(tps=200)], servers=[a_server(rate=1)]))
    assert found["numReplicas"] == 2
    assert found["servedRate"] == 1
