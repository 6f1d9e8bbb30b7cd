"""Scenarios beside a snapshot: the plan if load, capacity, prices, targets or the policy were others."""

from inferno_optimizer.whatif.apply import Complaint, ScenarioError, apply
from inferno_optimizer.whatif.difference import difference
from inferno_optimizer.whatif.what_if import Planner, what_if

__all__ = ["Complaint", "Planner", "ScenarioError", "apply", "difference", "what_if"]
