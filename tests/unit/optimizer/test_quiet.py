import subprocess
import sys

PROGRAM = """
from ortools.math_opt.python import mathopt
from ortools.util.python.solve_interrupter import SolveInterrupter
from inferno_optimizer.quiet import silence_scip

assert silence_scip()
model = mathopt.Model()
x = model.add_integer_variable(lb=0, ub=9)
model.add_linear_constraint(2 * x >= 7)
model.minimize(x)
result = mathopt.solve(model, mathopt.SolverType.GSCIP, interrupter=SolveInterrupter())
print(result.objective_value())
"""


def test_a_solve_that_can_be_interrupted_writes_nothing_to_stderr() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert (ended.stdout, ended.stderr) == ("4.0\n", "")
