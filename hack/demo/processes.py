"""Child processes of the demo: each with its log file, all gone when the demo ends, however it ends."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_SECONDS = 8.0
_PR_SET_PDEATHSIG = 1


class ProcessDiedError(Exception):
    """A child ended though it should run; the message ends with the last lines of its log."""


def _die_with_parent() -> None:
    """In the child: be terminated when the demo is killed outright (Linux; elsewhere nothing happens)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """A started program and where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise ProcessDiedError with the end of the log if the program is no longer running."""
        code = self.process.poll()
        if code is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])
            raise ProcessDiedError(f"{self.name} ended with code {code}; the end of {self.log}:\n{tail}")


@dataclass
class Processes:
    """A context manager that starts programs and, on leaving, stops them in reverse order."""

    logs: Path
    environment: Mapping[str, str]
    children: list[Child] = field(default_factory=list)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        output: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Child:
        """Start `command` with its standard error (and output, unless `output` is given) in NAME.log."""
        log = self.logs / f"{name}.log"
        with log.open("wb") as errors, (output or log).open("ab") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                env={**self.environment, **(variables or {})},
                start_new_session=True,  # Ctrl-C reaches the demo only, which then stops them in order
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - the demo has no other thread when it forks
            )
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def check(self) -> None:
        """Raise ProcessDiedError for the first program that ended."""
        for child in self.children:
            child.check()

    def stop(self, child: Child) -> None:
        """Stop one program: SIGTERM, and SIGKILL to its session if it does not follow."""
        self.children.remove(child)
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
            try:
                child.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in reversed(self.children[:]):
            self.stop(child)


def wait_for(what: str, condition: Callable[[], bool], *, seconds: float, alive: Processes) -> None:
    """Wait until `condition()`; raise TimeoutError naming `what`, or ProcessDiedError if a child ended."""
    deadline = time.monotonic() + seconds
    while not condition():
        alive.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds:.0f} s; see the logs in {alive.logs}")
        time.sleep(0.1)
