"""The engine's timing, worked by hand: a step with n requests takes 10 + n ms."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vllm_emulator.engine import Engine, Job, Profile, QueueFullError, Token


def an_engine(**changes: float) -> Engine:
    settings: dict[str, float] = {"alpha_ms": 10, "beta_ms": 1, "max_batch_size": 2, "max_waiting": 3}
    return Engine(Profile(**(settings | changes)))  # type: ignore[arg-type]


def a_job(job_id: int, *, at: float = 0.0, tokens: int = 2, prompt: int = 5) -> Job:
    return Job(job_id, arrived_ms=at, input_tokens=prompt, output_tokens=tokens)


def seen(tokens: list[Token]) -> list[tuple[int, int, float]]:
    return [(token.job.job_id, token.number, token.at_ms) for token in tokens]


def test_a_lone_request_gets_a_token_per_step_from_its_arrival() -> None:
    engine = an_engine()
    engine.submit(a_job(1, at=100))
    assert seen(engine.advance(1000)) == [(1, 1, 111), (1, 2, 122)]
    assert engine.step_ends_ms is None


def test_the_seeds_profile_decodes_one_request_in_20_99_ms_per_token() -> None:
    engine = Engine(Profile())
    engine.submit(a_job(1, tokens=1))
    assert engine.step_ends_ms == pytest.approx(20.99)


def test_a_request_that_comes_during_a_step_joins_at_its_end_and_slows_both() -> None:
    engine = an_engine()
    engine.submit(a_job(1, at=0, tokens=3))
    engine.submit(a_job(2, at=4, tokens=2))
    assert seen(engine.advance(1000)) == [(1, 1, 11), (1, 2, 23), (2, 1, 23), (1, 3, 35), (2, 2, 35)]


def test_the_queue_is_first_in_first_out_and_its_head_joins_when_a_place_is_free() -> None:
    engine = an_engine(max_batch_size=1)
    for job_id in (3, 1, 2):
        engine.submit(a_job(job_id, tokens=1))
    assert (engine.running, engine.waiting) == (1, 2)
    assert seen(engine.advance(1000)) == [(3, 1, 11), (1, 1, 22), (2, 1, 33)]


def test_a_token_tells_its_wait_and_its_gap() -> None:
    engine = an_engine(max_batch_size=1)
    engine.submit(a_job(1, tokens=1))
    engine.submit(a_job(2, at=5, tokens=2))
    first, second = engine.advance(1000)[1:]
    assert (first.wait_ms, first.gap_ms, first.last) == (6, 17, False)
    assert (second.wait_ms, second.gap_ms, second.last) == (6, 11, True)


def test_beyond_batch_and_waiting_room_a_request_is_refused_and_nothing_changes() -> None:
    engine = an_engine(max_batch_size=1, max_waiting=1)
    engine.submit(a_job(1))
    engine.submit(a_job(2))
    with pytest.raises(QueueFullError):
        engine.submit(a_job(3))
    assert (engine.running, engine.waiting) == (1, 1)


def test_without_a_waiting_room_an_idle_replica_still_takes_its_batch() -> None:
    engine = an_engine(max_waiting=0)
    engine.submit(a_job(1))
    engine.submit(a_job(2))
    with pytest.raises(QueueFullError):
        engine.submit(a_job(3))


def test_a_cancelled_request_gets_nothing_more_and_the_next_one_its_place() -> None:
    engine = an_engine(max_batch_size=1)
    engine.submit(a_job(1, tokens=100))
    engine.submit(a_job(2, tokens=1))
    engine.submit(a_job(3, tokens=1))
    engine.cancel(1)
    engine.cancel(2)
    assert seen(engine.advance(1000)) == [(3, 1, 22)]


def test_when_all_are_cancelled_the_engine_rests_after_the_step_under_way() -> None:
    engine = an_engine()
    engine.submit(a_job(1))
    engine.cancel(1)
    assert engine.advance(1000) == []
    assert engine.step_ends_ms is None
    engine.submit(a_job(2, at=2000, tokens=1))
    assert seen(engine.advance(3000)) == [(2, 1, 2011)]


def test_a_prompt_takes_gamma_and_delta_per_token_and_request_while_others_go_on() -> None:
    engine = an_engine(gamma_ms=10, delta_ms=1)
    engine.submit(
        a_job(1, tokens=4, prompt=5)
    )  # alone: read after 15 ms, so the second step gives its first token
    assert seen(engine.advance(22)) == [(1, 1, 22)]
    engine.submit(a_job(2, at=22, tokens=1, prompt=5))  # joins two at 33: read after 10 + 5·2 = 20 ms, at 53
    assert seen(engine.advance(1000)) == [(1, 2, 33), (1, 3, 45), (1, 4, 57), (2, 1, 57)]


def test_the_cache_holds_prompts_and_outputs_of_the_batch_only() -> None:
    engine = an_engine(max_batch_size=1)
    engine.submit(a_job(1, tokens=9, prompt=7))
    engine.submit(a_job(2, prompt=100))
    engine.advance(22)
    assert engine.cached_tokens == 9


def test_a_job_may_not_arrive_behind_tokens_that_were_not_collected() -> None:
    engine = an_engine()
    engine.submit(a_job(1))
    with pytest.raises(ValueError, match=r"advance\(50\) before submitting"):
        engine.submit(a_job(2, at=50))


@given(st.lists(st.floats(0, 400), max_size=30), st.integers(0, 2**32))
def test_it_does_not_matter_how_often_or_how_late_the_engine_is_asked(asked: list[float], seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
    jobs = [a_job(job_id, at=job_id * 10.5, tokens=chance.randint(1, 6)) for job_id in range(20)]

    def served(moments: list[float]) -> list[tuple[int, int, float]]:
        engine = an_engine(max_waiting=100, gamma_ms=3, delta_ms=0.5)
        tokens: list[Token] = []
        todo = [(at, None) for at in moments] + [(job.arrived_ms, job) for job in jobs]
        for at, job in sorted(todo, key=lambda item: item[0]):
            tokens += engine.advance(at)
            if job is not None:
                engine.submit(job)
        return seen(tokens + engine.advance(1e6))

    assert served(asked) == served([])
