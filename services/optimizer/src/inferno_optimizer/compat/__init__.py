"""llm-inferno's `POST /optimizeOne`: a `SystemData` of any generation in, proven `allocations` out."""

from inferno_optimizer.compat.optimize_one import optimize_one
from inferno_optimizer.compat.solution import AllocationSolution
from inferno_optimizer.compat.system import SystemData

__all__ = ["AllocationSolution", "SystemData", "optimize_one"]
