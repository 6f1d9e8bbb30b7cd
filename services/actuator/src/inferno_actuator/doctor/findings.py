"""One finding of the doctor: how bad, what, and the command that fixes it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is; a failure keeps something from working."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination.

    Args:
        subject: what was looked at.
        words: what was found.
        fix: the command, or the deed, that puts it right.
    """

    level: Level
    subject: str
    words: str
    fix: str = ""

    def __str__(self) -> str:
        """The line. Example: `warning  HPA ns/x: ignores steps of one; fix: kubectl patch ...`."""
        remedy = f"; fix: {self.fix}" if self.fix else ""
        return f"{self.level:<8} {self.subject}: {self.words}{remedy}"


def ok(subject: str, words: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, subject, words)


def warning(subject: str, words: str, fix: str) -> Finding:
    """It works, but not as well as it could."""
    return Finding(Level.WARNING, subject, words, fix)


def failure(subject: str, words: str, fix: str) -> Finding:
    """It does not work."""
    return Finding(Level.FAILURE, subject, words, fix)
