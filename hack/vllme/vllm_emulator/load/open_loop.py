"""Sends each request when it is due, answered or not: users do not wait for each other."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from vllm_emulator.load.outcome import Outcome, Tally


async def run_open_loop(
    due_seconds: Iterable[float],
    send: Callable[[], Awaitable[Outcome]],
    finished: Callable[[Outcome], None],
    tally: Tally,
    *,
    lasts_seconds: float,
    max_concurrency: int,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Send at the given seconds from now, for `lasts_seconds` in all, then wait for the answers.

    A request that is due while `max_concurrency` answers are outstanding is dropped and counted, because
    sending it later would be another load than the planned one. Cancelling ends all requests under way.
    """

    async def one() -> None:
        outcome = await send()
        tally.outcomes.append(outcome)
        finished(outcome)

    started = clock()
    async with asyncio.TaskGroup() as requests:
        for due in due_seconds:
            await sleep(max(0.0, started + due - clock()))
            if tally.outstanding >= max_concurrency:
                tally.dropped += 1
                continue
            tally.sent += 1
            requests.create_task(one())
        await sleep(max(0.0, started + lasts_seconds - clock()))
