"""The decision log: what every cycle saw and decided, one JSON line each, bounded in size, replayable."""

from inferno_actuator.decision_log.lines import (
    CycleLines,
    LoggedDecision,
    LoggedFailure,
    LoggedSnapshot,
    parse_line,
)
from inferno_actuator.decision_log.writer import DecisionLog

__all__ = [
    "CycleLines",
    "DecisionLog",
    "LoggedDecision",
    "LoggedFailure",
    "LoggedSnapshot",
    "parse_line",
]
