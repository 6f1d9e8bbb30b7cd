"""Chooses an accelerator and a number of replicas for every variant: pure, from `Problem` to `Solution`."""

from inferno_optimizer.allocation.lexicographic import Core
from inferno_optimizer.allocation.mip import solve
from inferno_optimizer.allocation.nodes import Nodes
from inferno_optimizer.allocation.packing import Filled, Packing
from inferno_optimizer.allocation.problem import (
    Assignment,
    Candidate,
    Demand,
    Key,
    Problem,
    Rationing,
    Solution,
    Stage,
    Variant,
)
from inferno_optimizer.allocation.solver import InterruptedSolveError, SolverError
from inferno_optimizer.allocation.verify import verify

__all__ = [
    "Assignment",
    "Candidate",
    "Core",
    "Demand",
    "Filled",
    "InterruptedSolveError",
    "Key",
    "Nodes",
    "Packing",
    "Problem",
    "Rationing",
    "Solution",
    "SolverError",
    "Stage",
    "Variant",
    "solve",
    "verify",
]
