"""Starting a pod's emulator as a process of its own, its output going to the container's log."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from devcluster.kubelet.logs import ContainerLog

EMULATOR_MODULE = "vllm_emulator"
HACK = Path(__file__).resolve().parents[2]
_PYTHON_PATH = (HACK, HACK / "vllme")
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Launch:
    """Arguments and variables of one emulator."""

    arguments: tuple[str, ...]
    variables: Mapping[str, str]


class ServerProcess(Protocol):
    """A running server."""

    async def wait(self) -> int:
        """Return its exit code when it has ended."""

    def terminate(self) -> None:
        """Ask it to finish what it is doing and end."""

    def kill(self) -> None:
        """End it at once."""


class ProcessRunner(Protocol):
    """Starts servers."""

    async def start(self, launch: Launch, log: ContainerLog) -> ServerProcess:
        """Start one, its output going to `log`. Raises OSError."""


class NoProcess:
    """Stands for a container that is only pretended to run."""

    def __init__(self) -> None:
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """Return when it was asked to end."""
        await self._ended.wait()
        return 0

    def terminate(self) -> None:
        """End."""
        self._ended.set()

    def kill(self) -> None:
        """End."""
        self._ended.set()


class EmulatorRunner:
    """Starts `python -m vllm_emulator`, guarded so that it dies with this process."""

    def __init__(self, clock: Callable[[], datetime], module: str = EMULATOR_MODULE) -> None:
        self._clock = clock
        self._module = module

    async def start(self, launch: Launch, log: ContainerLog) -> ServerProcess:
        """Start an emulator."""
        path = os.pathsep.join([*map(str, _PYTHON_PATH), *filter(None, [os.environ.get("PYTHONPATH")])])
        inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "devcluster.kubelet.guarded",
            str(os.getpid()),
            self._module,
            *launch.arguments,
            stdin=asyncio.subprocess.DEVNULL if sys.platform == "linux" else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**inherited, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **launch.variables},
            start_new_session=True,  # Ctrl-C reaches the kubelet only, which then stops its pods in order
        )
        return _Emulator(process, log, self._clock)


class _Emulator:
    def __init__(
        self, process: asyncio.subprocess.Process, log: ContainerLog, clock: Callable[[], datetime]
    ) -> None:
        self._process = process
        self._output = asyncio.create_task(self._copy(log, clock))

    async def wait(self) -> int:
        code = await self._process.wait()
        await self._output
        return code if code >= 0 else 128 - code  # as shells and Kubernetes report a signal

    def terminate(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _copy(self, log: ContainerLog, clock: Callable[[], datetime]) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        async for line in _lines(self._process.stdout):
            log.append(line, clock())


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines of any length; a last one without its end counts too."""
    rest = b""
    while chunk := await stream.read(_READ_BYTES):
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")
