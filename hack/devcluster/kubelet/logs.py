"""The output of a container, the newest lines of it, as `kubectl logs` asks for it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_LINES = 10_000


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, when it came, and of which run of the container it is."""

    at: datetime
    run: int
    text: str


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What part of a log is wanted, with the names of Kubernetes' query parameters."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    limit_bytes: int | None = None


class ContainerLog:
    """The lines of one container; the oldest ones are forgotten. Readers may follow it."""

    def __init__(self, max_lines: int = MAX_LINES) -> None:
        self._lines: deque[LogLine] = deque(maxlen=max_lines)
        self._appended = 0
        self._run = 0
        self._closed = False
        self._changed = asyncio.Event()

    def append(self, text: str, now: datetime) -> None:
        """Add a line."""
        self._lines.append(LogLine(now, self._run, text))
        self._appended += 1
        self._notify()

    def begin_run(self) -> None:
        """The container starts (again): earlier lines become those of the previous run."""
        self._run += 1

    def close(self) -> None:
        """Nothing more will come: followers end."""
        self._closed = True
        self._notify()

    async def read(self, options: LogOptions) -> AsyncIterator[bytes]:
        """Yield the wanted lines, and with `follow` those to come until the log is closed."""
        left = options.limit_bytes
        position = self._appended
        for line in self._selected(options):
            piece, left = _limited(_formatted(line, options), left)
            yield piece
            if left == 0:
                return
        while options.follow and not options.previous:
            changed = self._changed
            for line in self._newer_than(position):
                piece, left = _limited(_formatted(line, options), left)
                yield piece
                if left == 0:
                    return
            position = self._appended
            if self._closed:
                return
            if changed is self._changed:
                await changed.wait()

    def _selected(self, options: LogOptions) -> list[LogLine]:
        run = self._run - 1 if options.previous else self._run
        lines = [line for line in self._lines if line.run == run]
        if options.since is not None:
            lines = [line for line in lines if line.at >= options.since]
        if options.tail_lines is not None:
            lines = lines[len(lines) - options.tail_lines :] if options.tail_lines < len(lines) else lines
        return lines

    def _newer_than(self, position: int) -> list[LogLine]:
        fresh = min(self._appended - position, len(self._lines))
        return list(self._lines)[len(self._lines) - fresh :] if fresh else []

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def parse_log_options(query: dict[str, str], now: datetime) -> LogOptions:
    """Read the query of a log request; raises ValueError naming the parameter."""
    since = None
    if query.get("sinceSeconds"):
        since = now - timedelta(seconds=_whole(query, "sinceSeconds") or 0)
    elif query.get("sinceTime"):
        since = datetime.fromisoformat(query["sinceTime"])
    return LogOptions(
        follow=query.get("follow") in {"true", "1"},
        previous=query.get("previous") in {"true", "1"},
        timestamps=query.get("timestamps") in {"true", "1"},
        tail_lines=_whole(query, "tailLines"),
        since=since,
        limit_bytes=_whole(query, "limitBytes"),
    )


def _whole(query: dict[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    if not text.isdecimal():
        raise ValueError(f"{name} must be a whole number, is {text!r}")
    return int(text)


def _formatted(line: LogLine, options: LogOptions) -> bytes:
    if not options.timestamps:
        return f"{line.text}\n".encode()
    moment = line.at.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return f"{moment}000Z {line.text}\n".encode()


def _limited(piece: bytes, left: int | None) -> tuple[bytes, int | None]:
    if left is None:
        return piece, None
    return piece[:left], max(0, left - len(piece))
