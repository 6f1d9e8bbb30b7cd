"""Appends cycles to a file that rotates: FILE, FILE.1, ..., never more than files * max_bytes in all.

A disk that is full or gone costs lines, never a decision: it is said once, and again when it is over.
"""

import asyncio
from pathlib import Path

import structlog

from inferno_actuator.decision_log.lines import CycleLines, LoggedSnapshot

log = structlog.stdlib.get_logger(__name__)


class DecisionLog:
    """The log at one path.

    Args:
        path: of the newest file.
        max_bytes: of each file; a cycle is never torn between two.
        files: kept, the newest included.
    """

    def __init__(self, path: Path, *, max_bytes: int, files: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._files = files
        self._snapshot_id: str | None = None
        self._problem: str | None = None

    async def write(self, cycle: CycleLines) -> None:
        """Append a cycle; never fails."""
        try:
            await asyncio.to_thread(self._append, cycle)
        except OSError as error:
            self._snapshot_id = None
            self._say(f"{self._path}: {error.strerror or error}: decisions are not logged")
        else:
            self._say(None)

    def _append(self, cycle: CycleLines) -> None:
        decisions = "".join(f"{line.model_dump_json(by_alias=True)}\n" for line in cycle.lines).encode()
        size = self._path.stat().st_size if self._path.exists() else 0
        if size == 0:
            self._snapshot_id = None
        block = self._head(cycle) + decisions
        if size and size + len(block) > self._max_bytes:
            self._rotate()
            block = self._head(cycle) + decisions
        if len(block) > self._max_bytes:
            raise OSError(f"one cycle has {len(block)} bytes, INFERNO_DECISION_LOG_MAX_BYTES allows fewer")
        with self._path.open("ab") as file:
            file.write(block)
        if cycle.snapshot is not None:
            self._snapshot_id = cycle.snapshot.id

    def _head(self, cycle: CycleLines) -> bytes:
        """The snapshot's line, unless the last one in the file is of the same snapshot."""
        snapshot = cycle.snapshot
        if snapshot is None or (snapshot.id is not None and snapshot.id == self._snapshot_id):
            return b""
        line = LoggedSnapshot(snapshot_id=snapshot.id or snapshot.content_id(), snapshot=snapshot)
        return f"{line.model_dump_json(by_alias=True)}\n".encode()

    def _rotate(self) -> None:
        self._snapshot_id = None
        for number in range(self._files - 1, 0, -1):
            source = self._numbered(number - 1)
            if source.exists():
                source.replace(self._numbered(number))
        self._path.unlink(missing_ok=True)

    def _numbered(self, number: int) -> Path:
        return self._path if number == 0 else self._path.with_name(f"{self._path.name}.{number}")

    def _say(self, problem: str | None) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        if problem is None:
            log.info("decisions are logged again", file=str(self._path))
        else:
            log.warning("decision log not written", reason=problem)
