"""Remembers decisions for a short while; a question is asked once, however many wait for its answer."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

KEPT_GRANTED_SECONDS: Final = 60.0
KEPT_REFUSED_SECONDS: Final = 5.0
MAX_KEPT: Final = 2_048
MAX_ASKED: Final = 64


class TooManyQuestionsError(Exception):
    """More different questions wait for an answer than the bound allows."""


class Decisions(Generic[K, V]):
    """Answers by question, kept for 60 s when `granted` and 5 s otherwise, at most `max_kept` of them.

    An answer that could not be had (an exception) is not kept. A question that its asker gave up is still
    answered for the others.
    """

    def __init__(
        self,
        granted: Callable[[V], bool],
        *,
        max_kept: int = MAX_KEPT,
        max_asked: int = MAX_ASKED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._granted = granted
        self._max_kept = max_kept
        self._max_asked = max_asked
        self._clock = clock
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._asked: dict[K, asyncio.Task[V]] = {}

    async def get(self, question: K, ask: Callable[[], Awaitable[V]]) -> V:
        """Return the answer to `question`, by `ask` when it is not known.

        Raises what asking raises, or TooManyQuestionsError.
        """
        kept = self._kept.get(question)
        if kept is not None and self._clock() < kept[0]:
            return kept[1]
        task = self._asked.get(question)
        if task is None:
            if len(self._asked) >= self._max_asked:
                raise TooManyQuestionsError
            task = asyncio.create_task(self._answer(question, ask))
            self._asked[question] = task
            task.add_done_callback(_seen)
        return await asyncio.shield(task)

    async def _answer(self, question: K, ask: Callable[[], Awaitable[V]]) -> V:
        try:
            answer = await ask()
        finally:
            del self._asked[question]
        keep = KEPT_GRANTED_SECONDS if self._granted(answer) else KEPT_REFUSED_SECONDS
        self._kept[question] = (self._clock() + keep, answer)
        self._kept.move_to_end(question)
        while len(self._kept) > self._max_kept:
            self._kept.popitem(last=False)
        return answer


def _seen(task: asyncio.Task[V]) -> None:
    """Take note of a failure that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
