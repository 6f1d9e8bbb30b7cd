"""A mixed-integer program as arrays: solved again and again for other objectives, with ever more of it fixed.

Before a solver sees it, what is fixed is taken out: columns whose bounds are equal go into the bounds of the
rows, and rows that the bounds of their columns imply are left out (`Program.open_part`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inferno_optimizer.allocation.linear import Linear, Row, Variable

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

VIOLATION: Final = 1e-9
"""Relative violation from which on a row of fixed columns makes a program infeasible."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Coefficients other than 0 in the order of rows, then columns, each place at most once."""

    rows: Indices
    columns: Indices
    coefficients: Floats

    def activity(self, values: Floats, count: int) -> Floats:
        """Sum of each of `count` rows where the columns have these values."""
        products = self.coefficients * values[self.columns]
        return _sums(self.rows, products, count)


@dataclass(frozen=True, slots=True)
class OpenPart:
    """What of a program is still to be decided, numbered anew; `columns` are those of the whole program.

    `constant` is what the fixed columns contribute to the objective.
    """

    columns: Indices
    lower: Floats
    upper: Floats
    integer: Flags
    costs: Floats
    constant: float
    matrix: Matrix
    row_lower: Floats
    row_upper: Floats

    @property
    def one_of(self) -> Flags:
        """Rows sum of columns = 1."""
        rows = len(self.row_lower)
        ones = np.bincount(self.matrix.rows, self.matrix.coefficients == 1.0, rows)
        length = np.bincount(self.matrix.rows, minlength=rows)
        exact: Flags = (self.row_lower == 1.0) & (self.row_upper == 1.0) & (ones == length)
        return exact


class Program:
    """Columns with bounds, and rows; both are only ever added, but bounds change."""

    def __init__(self) -> None:
        self._lower: list[float] = []
        self._upper: list[float] = []
        self._integer: list[bool] = []
        self._rows: dict[int, Row] = {}
        self._added = 0
        self._assembled: tuple[Matrix, Floats, Floats] | None = None

    def __len__(self) -> int:
        return len(self._lower)

    def variable(self, lower: float, upper: float, *, integer: bool = False) -> Variable:
        """A new column."""
        self._lower.append(lower)
        self._upper.append(upper)
        self._integer.append(integer)
        return Variable(len(self._lower) - 1)

    def binary(self) -> Variable:
        """A new column that is 0 or 1."""
        return self.variable(0.0, 1.0, integer=True)

    def add(self, row: Row) -> int:
        """Require a row; the answer is its number."""
        self._rows[self._added] = row
        self._added += 1
        self._assembled = None
        return self._added - 1

    def remove(self, number: int) -> None:
        """Require a row no longer."""
        del self._rows[number]
        self._assembled = None

    def bound(self, variable: Variable, *, lower: float | None = None, upper: float | None = None) -> None:
        """Change a column's bounds."""
        if lower is not None:
            self._lower[variable.column] = lower
        if upper is not None:
            self._upper[variable.column] = upper

    def upper_bound(self, variable: Variable) -> float:
        """A column's upper bound."""
        return self._upper[variable.column]

    def set_bounds(self, lower: Floats, upper: Floats) -> None:
        """Change the bounds of the first columns, as many as are given."""
        self._lower[: len(lower)], self._upper[: len(upper)] = lower.tolist(), upper.tolist()

    @property
    def lower(self) -> Floats:
        """Lower bounds of all columns, a copy."""
        return np.array(self._lower, float)

    @property
    def upper(self) -> Floats:
        """Upper bounds of all columns, a copy."""
        return np.array(self._upper, float)

    @property
    def integer(self) -> Flags:
        """Which columns have whole values."""
        return np.array(self._integer, bool)

    def costs(self, objective: Linear) -> Floats:
        """The objective's coefficient of every column."""
        columns = np.array(objective.columns, np.int64)
        return _sums(columns, np.array(objective.coefficients, float), len(self))

    def open_part(
        self, objective: Linear, lower: Floats, upper: Floats, integer: Flags | None = None
    ) -> OpenPart | None:
        """What is to be decided within these bounds; None when the fixed columns violate a row already."""
        matrix, row_lower, row_upper = self._matrix()
        free = lower < upper
        fixed = matrix.activity(np.where(free, 0.0, lower), len(row_lower))
        open_lower, open_upper = row_lower - fixed, row_upper - fixed
        least, most = _extremes(matrix, lower, upper, free, len(row_lower))
        allowed = VIOLATION * np.maximum(1.0, np.abs(fixed))
        if np.any(least > open_upper + allowed) or np.any(most < open_lower - allowed):
            return None
        binding = (most > open_upper) | (least < open_lower)
        binding &= np.bincount(matrix.rows, free[matrix.columns], len(row_lower)) > 0
        kept = free[matrix.columns] & binding[matrix.rows]
        costs = self.costs(objective)
        return OpenPart(
            columns=np.flatnonzero(free),
            lower=lower[free],
            upper=upper[free],
            integer=self.integer[free] if integer is None else integer[free],
            costs=costs[free],
            constant=objective.constant + float(costs[~free] @ lower[~free]),
            matrix=Matrix(
                (np.cumsum(binding) - 1)[matrix.rows[kept]],
                (np.cumsum(free) - 1)[matrix.columns[kept]],
                matrix.coefficients[kept],
            ),
            row_lower=open_lower[binding],
            row_upper=open_upper[binding],
        )

    def settle(self, lower: Floats, upper: Floats) -> None:
        """Fix, in place, whole columns to which the rows leave no choice.

        Those are the last ones free in a row that must be met exactly, and all that are free in a row which
        they can only just meet: y <= 3 z once z is 0.
        """
        matrix, row_lower, row_upper = self._matrix()
        exact, integer = row_lower == row_upper, self.integer
        while True:
            free = lower < upper
            fixed = matrix.activity(np.where(free, 0.0, lower), len(row_lower))
            open_columns = free[matrix.columns] & integer[matrix.columns]
            single = exact & (np.bincount(matrix.rows, free[matrix.columns], len(row_lower)) == 1)
            last = single[matrix.rows] & open_columns
            least, _ = _extremes(matrix, lower, upper, free, len(row_lower))
            tight = open_columns & (fixed + least >= row_upper)[matrix.rows] & ~last
            if not (last.any() or tight.any()):
                return
            rows, columns = matrix.rows[last], matrix.columns[last]
            values = np.round((row_lower[rows] - fixed[rows]) / matrix.coefficients[last])
            values = np.clip(values, lower[columns], upper[columns])
            columns = matrix.columns[tight]
            bounds = np.where(matrix.coefficients[tight] > 0, lower[columns], upper[columns])
            lower[columns] = upper[columns] = bounds
            columns = matrix.columns[last]
            lower[columns] = upper[columns] = values

    def completed(self, values: Floats) -> Floats:
        """Values of all columns: those that were added since are raised as far as their rows ask for."""
        matrix, row_lower, row_upper = self._matrix()
        complete = self.lower
        complete[: len(values)] = values
        sums = matrix.activity(complete, len(row_lower))
        added = matrix.columns >= len(values)
        rows, columns, coefficients = matrix.rows[added], matrix.columns[added], matrix.coefficients[added]
        missing = np.where(coefficients > 0, row_lower[rows] - sums[rows], row_upper[rows] - sums[rows])
        raised = complete[columns] + missing / coefficients
        np.maximum.at(complete, columns, np.where(self.integer[columns], np.ceil(raised - VIOLATION), raised))
        return complete

    def allows(self, values: Floats) -> bool:
        """Whether these values of all columns satisfy all rows."""
        matrix, row_lower, row_upper = self._matrix()
        sums = matrix.activity(values, len(row_lower))
        allowed = VIOLATION * np.maximum(1.0, np.abs(sums))
        return not np.any((sums > row_upper + allowed) | (sums < row_lower - allowed))

    def _matrix(self) -> tuple[Matrix, Floats, Floats]:
        if self._assembled is None:
            rows = list(self._rows.values())
            bounds = np.array([(row.lower, row.upper) for row in rows], float).reshape(-1, 2)
            self._assembled = _assemble(rows, len(self)), bounds[:, 0], bounds[:, 1]
        return self._assembled


def _assemble(rows: Sequence[Row], columns: int) -> Matrix:
    lengths = np.array([len(row.columns) for row in rows], np.int64)
    flat_columns = np.array([column for row in rows for column in row.columns], np.int64)
    flat_coefficients = np.array([c for row in rows for c in row.coefficients], float)
    places = np.repeat(np.arange(len(rows)), lengths) * columns + flat_columns
    distinct, where = np.unique(places, return_inverse=True)
    coefficients = _sums(where, flat_coefficients, len(distinct))
    used = coefficients != 0
    distinct, coefficients = distinct[used], coefficients[used]
    return Matrix(distinct // max(columns, 1), distinct % max(columns, 1), coefficients)


def _extremes(matrix: Matrix, lower: Floats, upper: Floats, free: Flags, rows: int) -> tuple[Floats, Floats]:
    """Smallest and largest sum of each row over its free columns."""
    coefficients = np.where(free[matrix.columns], matrix.coefficients, 0.0)
    positive = coefficients > 0
    low = np.where(positive, lower[matrix.columns], upper[matrix.columns])
    high = np.where(positive, upper[matrix.columns], lower[matrix.columns])
    used = coefficients != 0
    least = np.where(used, coefficients * np.where(used, low, 0.0), 0.0)
    most = np.where(used, coefficients * np.where(used, high, 0.0), 0.0)
    return _sums(matrix.rows, least, rows), _sums(matrix.rows, most, rows)


def _sums(places: Indices, numbers: Floats, count: int) -> Floats:
    """Sum of the numbers at each of `count` places."""
    return np.bincount(places, numbers, count).astype(float, copy=False)
