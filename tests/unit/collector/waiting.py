"""Waiting for something that only an await can see, with a bound."""

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(condition: Callable[[], Awaitable[bool]], *, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the condition belongs to code that offers no event
            await asyncio.sleep(0.001)
