"""The guard rails between plan and export: pure functions, stacked in one place (`stack`)."""

from inferno_actuator.rails.limits import RailLimits, Step, parse_share, parse_step
from inferno_actuator.rails.memory import Memory, Run
from inferno_actuator.rails.stack import guard

__all__ = ["Memory", "RailLimits", "Run", "Step", "guard", "parse_share", "parse_step"]
