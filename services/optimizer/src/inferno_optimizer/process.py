"""The server's side of one worker process: starts it, gives it requests, interrupts it, sees it end.

Not `multiprocessing`: its pools neither interrupt one task nor say which one a process died of.
"""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Final, Self

from inferno_optimizer.endpoint import Answer
from inferno_optimizer.frames import ANSWER, READY, answer_from, interrupt_frame, request_frame

START_SECONDS: Final = 60.0
INTERRUPT_SECONDS: Final = 10.0
"""What an interrupted worker may take until it is free again; then it is ended."""

LEAVE_SECONDS: Final = 2.0
BUFFERED_BYTES: Final = 1 << 20
MODULE: Final = "inferno_optimizer.worker"


class WorkerEndedError(Exception):
    """The process is gone; the text says how."""


class WorkerProcess:
    """A running worker; one request at a time."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self.ended: asyncio.Future[int] = asyncio.create_task(process.wait())

    @classmethod
    async def start(cls, limit_seconds: float, log_level: str, module: str = MODULE) -> Self:
        """A worker that is ready. Raises WorkerEndedError when there is none to be had."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", module),
                    *(str(theirs.fileno()), str(limit_seconds), log_level),
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                )
            except OSError as error:
                ours.close()
                raise WorkerEndedError(f"it could not be started: {error}") from error
        reader, writer = await asyncio.open_connection(sock=ours, limit=BUFFERED_BYTES)
        worker = cls(process, reader, writer)
        try:
            async with asyncio.timeout(START_SECONDS):
                await reader.readexactly(len(READY))
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise WorkerEndedError(f"it did not start: {await worker.end()}") from error
        except BaseException:
            await worker.end()
            raise
        return worker

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be given a request."""
        return not self.ended.done() and not self._writer.is_closing()

    async def solve(self, endpoint: int, body: bytes) -> Answer:
        """The answer. When cancelled, the solve is interrupted, and has ended when this returns.

        Raises:
            WorkerEndedError: the process died.
        """
        answering = asyncio.create_task(self._exchange(endpoint, body))
        try:
            return await asyncio.shield(answering)
        except asyncio.CancelledError:
            self._writer.write(interrupt_frame())
            await asyncio.wait({answering}, timeout=INTERRUPT_SECONDS)
            raise
        finally:
            if not answering.done():
                answering.cancel()
                self.kill()
            elif not answering.cancelled():
                answering.exception()  # seen: raised above, or nobody waits for it

    async def _exchange(self, endpoint: int, body: bytes) -> Answer:
        try:
            self._writer.write(request_frame(endpoint, body))
            head, content = ANSWER.unpack(await self._reader.readexactly(ANSWER.size))
            return answer_from(await self._reader.readexactly(head), await self._reader.readexactly(content))
        except (asyncio.IncompleteReadError, OSError) as error:
            raise WorkerEndedError(await self.end()) from error

    def kill(self) -> None:
        """End it now; whatever it was at is lost."""
        self._writer.close()
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def end(self) -> str:
        """Let it go, and say how it ended."""
        self._writer.close()
        if not (await asyncio.wait({self.ended}, timeout=LEAVE_SECONDS))[0]:
            self.kill()
        return _how(await self.ended)


def _how(code: int) -> str:
    if code >= 0:
        return f"it ended with exit code {code}"
    name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
    memory = ", as when memory runs out" if -code == signal.SIGKILL else ""
    return f"it was ended by {name}{memory}"
