"""A container whose program runs beside the cluster, on this machine: its log is the file of that program.

The pod's annotation `devcluster/log-file` names the file; `kubectl logs` shows what the program writes there.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from devcluster.kubelet.logs import ContainerLog

LOG_FILE_ANNOTATION = "devcluster/log-file"
POLL_SECONDS = 0.25


async def follow_file(path: Path, log: ContainerLog, clock: Callable[[], datetime]) -> None:
    """Append the lines of the file, those that are there and those to come, until cancelled."""
    position, rest = 0, b""
    while True:
        content = await asyncio.to_thread(_read, path, position)
        position += len(content)
        *lines, rest = (rest + content).split(b"\n")
        for line in lines:
            log.append(line.decode(errors="replace"), clock())
        await asyncio.sleep(POLL_SECONDS)


def _read(path: Path, position: int) -> bytes:
    """What is new in the file; nothing while there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(position)
            return file.read()
    except FileNotFoundError:
        return b""
