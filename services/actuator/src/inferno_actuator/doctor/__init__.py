"""`inferno-actuator doctor`: read-only checks of an installation, a line each, with what fixes it."""

from inferno_actuator.doctor.examine import examine
from inferno_actuator.doctor.findings import Finding, Level

__all__ = ["Finding", "Level", "examine"]
