import asyncio

import pytest

from inferno_shared.errors import InfernoError
from inferno_shared.service.authorization.decisions import Decisions, TooManyQuestionsError
from unit.shared.waiting import until


class World:
    """A clock, and answers that count how often they were asked for."""

    def __init__(self, **bounds: int) -> None:
        self.now = 0.0
        self.asked = 0
        self.decisions = Decisions[str, bool](lambda answer: answer, clock=lambda: self.now, **bounds)

    async def get(self, question: str, *, answer: bool = True) -> bool:
        async def ask() -> bool:
            self.asked += 1
            return answer

        return await self.decisions.get(question, ask)


@pytest.mark.parametrize(("answer", "kept_seconds"), [(True, 60), (False, 5)])
async def test_an_answer_is_kept_longer_when_it_grants(*, answer: bool, kept_seconds: float) -> None:
    world = World()
    assert await world.get("q", answer=answer) is answer
    world.now = kept_seconds - 0.1
    assert await world.get("q", answer=not answer) is answer
    assert world.asked == 1
    world.now = kept_seconds
    assert await world.get("q", answer=not answer) is not answer
    assert world.asked == 2


async def test_only_so_many_answers_are_kept_the_oldest_goes_first() -> None:
    world = World(max_kept=2)
    for question in "abc":
        await world.get(question)
    await world.get("c")
    await world.get("b")
    assert world.asked == 3
    await world.get("a")
    assert world.asked == 4


async def test_many_who_wait_for_the_same_answer_ask_once() -> None:
    world, event = World(), asyncio.Event()

    async def ask() -> bool:
        world.asked += 1
        await event.wait()
        return True

    waiting = [asyncio.create_task(world.decisions.get("q", ask)) for _ in range(5)]
    await until(lambda: world.asked == 1)
    waiting[0].cancel()
    event.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [True] * 4
    assert world.asked == 1


async def test_a_failure_is_not_kept() -> None:
    world = World()

    async def fail() -> bool:
        raise InfernoError("down")

    with pytest.raises(InfernoError):
        await world.decisions.get("q", fail)
    assert await world.get("q") is True


async def test_only_so_many_questions_are_open_at_once() -> None:
    world, event = World(max_asked=2), asyncio.Event()

    async def ask() -> bool:
        world.asked += 1
        await event.wait()
        return True

    waiting = [asyncio.create_task(world.decisions.get(question, ask)) for question in "ab"]
    await until(lambda: world.asked == 2)
    with pytest.raises(TooManyQuestionsError):
        await world.get("c")
    event.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await world.get("c") is True


async def test_a_question_given_up_by_all_is_still_answered_and_its_failure_is_no_noise() -> None:
    world, event = World(), asyncio.Event()

    async def ask() -> bool:
        world.asked += 1
        await event.wait()
        raise InfernoError("down")

    task = asyncio.create_task(world.decisions.get("q", ask))
    await until(lambda: world.asked == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    event.set()
    await until(lambda: not world.decisions._asked)
    assert await world.get("q") is True
