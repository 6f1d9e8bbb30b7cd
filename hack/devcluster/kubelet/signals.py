"""Running a program of this package until it ends or a signal comes; its errors are sentences."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator

from inferno_shared.errors import InfernoError


def run_program(work: Coroutine[None, None, None]) -> None:
    """Run `work` to its end, or until SIGTERM or SIGINT; exit with code 1 if it failed for a known reason."""
    sentences: list[str] = []
    try:
        asyncio.run(run_until_signalled(work))
    except* (InfernoError, OSError) as errors:
        sentences = [str(error) for error in _leaves(errors)]
    if sentences:
        sys.exit("\n".join(f"error: {sentence}" for sentence in sentences))


async def run_until_signalled(work: Coroutine[None, None, None]) -> None:
    """Await `work`; SIGTERM and SIGINT cancel it and let it clean up. Its own errors are raised."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    asked = False

    def ask() -> None:
        nonlocal asked
        asked = True
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
