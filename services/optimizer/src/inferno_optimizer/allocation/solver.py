"""The only talker to OR-Tools' solvers: one open part of a program in, one answer out.

Every solve is single-threaded and seeded, so that only a time limit can make two runs differ. The program
goes to MathOpt's core as the message that its own Python model would have made of it, much sooner.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Final

import numpy as np
from ortools.math_opt import callback_pb2, model_parameters_pb2, model_pb2, parameters_pb2, result_pb2
from ortools.math_opt.core.python import solver as core
from ortools.math_opt.python import mathopt
from ortools.math_opt.solvers.gscip import gscip_pb2
from ortools.util.python.solve_interrupter import SolveInterrupter
from pybind11_abseil.status import StatusNotOk  # type: ignore[import-untyped]

from inferno_optimizer.allocation.program import Floats, OpenPart

FEASIBILITY_TOLERANCE: Final = 1e-9
LEAST_SECONDS: Final = 0.05

Reason = result_pb2.TerminationReasonProto
INFEASIBLE: Final = (
    result_pb2.TERMINATION_REASON_INFEASIBLE,
    result_pb2.TERMINATION_REASON_INFEASIBLE_OR_UNBOUNDED,
)
OPTIMAL: Final = result_pb2.TERMINATION_REASON_OPTIMAL
SOLVED: Final = (OPTIMAL, result_pb2.TERMINATION_REASON_FEASIBLE)
WITHOUT_SOLUTION: Final = result_pb2.TERMINATION_REASON_NO_SOLUTION_FOUND


class SolverError(RuntimeError):
    """The solver ended in a state that the models of this package cannot be in."""


class InterruptedSolveError(Exception):
    """Nobody waits for the solution any more."""


class Unsolved(Enum):
    """Why there is no solution of a relaxation."""

    INFEASIBLE = "proven to have none"
    NOT_IN_TIME = "none was found"


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A solved linear relaxation; `reduced` costs and `values` by column of the open part."""

    bound: float
    reduced: Floats
    values: Floats


@dataclass(frozen=True, slots=True)
class Branched:
    """The end of branch and bound: `values` by column of the open part, None when nothing was found."""

    values: Floats | None
    value: float
    bound: float
    proven: bool
    infeasible: bool = False


def relax(part: OpenPart, seconds: float, interrupter: SolveInterrupter | None) -> Relaxed | Unsolved:
    """Solve a part whose columns are all continuous."""
    params = mathopt.SolveParameters(time_limit=_limit(seconds), threads=1).to_proto()
    answer = _solve(part, parameters_pb2.SOLVER_TYPE_GLOP, params, None, interrupter)
    if answer.termination.reason == result_pb2.TERMINATION_REASON_INFEASIBLE:
        return Unsolved.INFEASIBLE
    if answer.termination.reason != OPTIMAL:
        return Unsolved.NOT_IN_TIME
    count, [solution, *_] = len(part.columns), answer.solutions
    return Relaxed(
        _objective(answer),
        _scattered(solution.dual_solution.reduced_costs, count),
        _scattered(solution.primal_solution.variable_values, count),
    )


def branch(
    part: OpenPart,
    seconds: float,
    interrupter: SolveInterrupter | None,
    hint: Floats | None,
    nodes: int | None = None,
    *,
    cuts: bool = False,
) -> Branched:
    """Minimise a part over whole values; `hint` are values from which to start, `nodes` how many to look at.

    Cuts and heuristics take most of the time on knapsacks that branching alone settles at once; they prove at
    the root what branching may never prove, and find what it never finds.

    Raises:
        SolverError: the solver failed.
        InterruptedSolveError: it was interrupted.
    """
    params = mathopt.SolveParameters(time_limit=_limit(seconds), node_limit=nodes, threads=1)
    params.random_seed = 1
    params.relative_gap_tolerance = 0.0
    params.heuristics = params.cuts = mathopt.Emphasis.LOW if cuts else mathopt.Emphasis.OFF
    params.gscip = gscip_pb2.GScipParameters(real_params={"numerics/feastol": FEASIBILITY_TOLERANCE})
    answer = _solve(part, parameters_pb2.SOLVER_TYPE_GSCIP, params.to_proto(), hint, interrupter)
    reason = answer.termination.reason
    bound = answer.termination.objective_bounds.dual_bound
    if reason in INFEASIBLE:
        return Branched(None, np.inf, np.inf, proven=True, infeasible=True)
    if reason == WITHOUT_SOLUTION:
        return Branched(None, np.inf, bound, proven=False)
    if reason not in SOLVED:
        raise SolverError(f"the solver ended with {Reason.Name(reason)}: {answer.termination.detail}")
    values = _scattered(answer.solutions[0].primal_solution.variable_values, len(part.columns))
    value, proven = _objective(answer), reason == OPTIMAL
    return Branched(values, value, value if proven else min(value, bound), proven=proven)


def _solve(
    part: OpenPart,
    solver: int,
    params: parameters_pb2.SolveParametersProto,
    hint: Floats | None,
    interrupter: SolveInterrupter | None,
) -> Any:  # noqa: ANN401 - generated messages
    model_params = model_parameters_pb2.ModelSolveParametersProto()
    if hint is not None:
        values = model_params.solution_hints.add().variable_values
        values.ids.extend(range(len(hint)))
        values.values.extend(hint.tolist())
    try:
        answer = core.solve(
            _message(part),
            solver,
            parameters_pb2.SolverInitializerProto(),
            params,
            model_params,
            None,
            callback_pb2.CallbackRegistrationProto(),
            None,
            None if interrupter is None else interrupter.pybind_interrupter,
        )
    except (StatusNotOk, RuntimeError, ValueError) as error:
        raise SolverError(f"{parameters_pb2.SolverTypeProto.Name(solver)} failed: {error}") from error
    if interrupter is not None and interrupter.interrupted:
        raise InterruptedSolveError
    return answer


def _message(part: OpenPart) -> Any:  # noqa: ANN401 - a generated message
    model = model_pb2.ModelProto()
    count = len(part.columns)
    model.variables.ids.extend(range(count))
    model.variables.lower_bounds.extend(part.lower.tolist())
    model.variables.upper_bounds.extend(part.upper.tolist())
    model.variables.integers.extend(part.integer.tolist())
    used = np.flatnonzero(part.costs)
    model.objective.offset = part.constant
    model.objective.linear_coefficients.ids.extend(used.tolist())
    model.objective.linear_coefficients.values.extend(part.costs[used].tolist())
    model.linear_constraints.ids.extend(range(len(part.row_lower)))
    model.linear_constraints.lower_bounds.extend(part.row_lower.tolist())
    model.linear_constraints.upper_bounds.extend(part.row_upper.tolist())
    model.linear_constraint_matrix.row_ids.extend(part.matrix.rows.tolist())
    model.linear_constraint_matrix.column_ids.extend(part.matrix.columns.tolist())
    model.linear_constraint_matrix.coefficients.extend(part.matrix.coefficients.tolist())
    return model


def _limit(seconds: float) -> timedelta:
    return timedelta(seconds=max(LEAST_SECONDS, seconds))


def _objective(answer: Any) -> float:  # noqa: ANN401 - a generated message
    return float(answer.solutions[0].primal_solution.objective_value)


def _scattered(sparse: Any, count: int) -> Floats:  # noqa: ANN401 - a generated message
    values = np.zeros(count)
    values[np.array(sparse.ids, np.int64)] = np.array(sparse.values, float)
    return values
