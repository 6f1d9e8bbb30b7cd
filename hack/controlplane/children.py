"""Child processes: each with its log and its sign of readiness, and none left when this process is gone."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

STOP_SECONDS = 10.0
POLL_SECONDS = 0.05
SHOWN_LINES = 15
MIB = 2**20
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class ChildFailedError(Exception):
    """A child ended or did not become ready; the message ends with the last lines of its log."""


@dataclass
class Child:
    """One program. `ready` is asked until it is true; None: ready at once.

    `ends_by_kill`: it keeps nothing and has no children, so when this process dies it may die at once. An API
    server would wait for an etcd that dies beside it.
    """

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    ready: Callable[[], bool] | None = None
    ready_seconds: float = 60.0
    ends_by_kill: bool = False
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program; its output is added to its log."""
        parent, last_signal = os.getpid(), signal.SIGKILL if self.ends_by_kill else signal.SIGTERM
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,  # Ctrl-C reaches the parent only, which stops all in order
                preexec_fn=lambda: _die_with(parent, last_signal),  # noqa: PLW1509 - one call of a library loaded before
            )

    def wait_until_ready(self) -> None:
        """Wait for the sign of readiness. Raises ChildFailedError with the end of the log."""
        deadline = time.monotonic() + self.ready_seconds
        while self.ready is not None and not self.ready():
            self.check()
            if time.monotonic() > deadline:
                raise ChildFailedError(f"{self.name} not ready within {self.ready_seconds:g} s{self._end()}")
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Raise ChildFailedError if the program does not run."""
        code = None if self.process is None else self.process.poll()
        if self.process is None or code is not None:
            raise ChildFailedError(f"{self.name} ended with code {code}{self._end()}")

    def ended(self) -> bool:
        """Whether the program has ended by itself."""
        return self.process is not None and self.process.poll() is not None

    def stop(self, *, kill: bool = False) -> None:
        """SIGTERM, and SIGKILL to its session if it does not follow (or at once with `kill`)."""
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        if not kill:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
                return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def restart(self, *, kill: bool = False) -> None:
        """Stop, start again with the same command, and wait until it is ready."""
        self.stop(kill=kill)
        self.start()
        self.wait_until_ready()

    def resident_mib(self) -> float:
        """Memory resident of the program and its own children, in MiB; 0 when it does not run."""
        if self.process is None:
            return 0.0
        total = 0
        with contextlib.suppress(psutil.Error):
            own = psutil.Process(self.process.pid)
            for process in [own, *own.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += process.memory_info().rss
        return total / MIB

    def _end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        return "\n".join([f"; the end of {self.log}:", *lines])


@dataclass
class Children:
    """A context manager: on leaving, what was started is stopped in reverse order."""

    logs: Path
    environment: Mapping[str, str]
    all: dict[str, Child] = field(default_factory=dict)

    def start(
        self,
        name: str,
        command: Sequence[object],
        *,
        ready: Callable[[], bool] | None = None,
        variables: Mapping[str, str] | None = None,
        ends_by_kill: bool = False,
    ) -> Child:
        """Start `command` without waiting for it."""
        child = Child(
            name,
            [str(word) for word in command],
            self.logs / f"{name}.log",
            {**self.environment, **(variables or {})},
            ready,
            ends_by_kill=ends_by_kill,
        )
        child.log.unlink(missing_ok=True)
        child.start()
        self.all[name] = child
        return child

    def check(self) -> None:
        """Raise ChildFailedError for the first program that ended by itself."""
        for child in self.all.values():
            child.check()

    def stop(self, name: str, *, kill: bool = False) -> None:
        """Stop one program for good."""
        self.all.pop(name).stop(kill=kill)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _uninterrupted():
            for child in reversed(self.all.values()):
                child.stop()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C does not keep the rest from being stopped; each stop is bounded."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _die_with(parent: int, last_signal: signal.Signals) -> None:
    """In the child: get `last_signal` when the parent is killed outright (Linux only)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, last_signal)
        if os.getppid() != parent:
            os._exit(1)
