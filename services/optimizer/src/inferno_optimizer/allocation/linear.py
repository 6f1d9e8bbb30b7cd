"""Linear expressions and rows, written as in the model's formulas: `program.add(replicas <= 3 * chosen)`.

OR-Tools has such expressions too, but building and changing a program of 10,000 variants with them takes
three times as long as solving it; these only collect columns and coefficients for numpy (`program`).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """lower <= sum of coefficients times columns <= upper."""

    columns: Sequence[int]
    coefficients: Sequence[float]
    lower: float
    upper: float


class Linear:
    """A sum of coefficients times columns, and a constant; a column may occur more than once."""

    __slots__ = ("coefficients", "columns", "constant")

    def __init__(
        self, columns: Sequence[int] = (), coefficients: Sequence[float] = (), constant: float = 0.0
    ) -> None:
        self.columns = columns
        self.coefficients = coefficients
        self.constant = constant

    def value(self, values: Sequence[float]) -> float:
        """The expression where the columns have these values."""
        terms = zip(self.columns, self.coefficients, strict=True)
        return sum((c * values[column] for column, c in terms), self.constant)

    def equals(self, number: float) -> Row:
        """The row that makes the expression equal to a number."""
        return Row(self.columns, self.coefficients, number - self.constant, number - self.constant)

    def __add__(self, other: "Linear | float") -> "Linear":
        if isinstance(other, Linear):
            return Linear(
                [*self.columns, *other.columns],
                [*self.coefficients, *other.coefficients],
                self.constant + other.constant,
            )
        return Linear(self.columns, self.coefficients, self.constant + other)

    __radd__ = __add__

    def __mul__(self, factor: float) -> "Linear":
        if len(self.columns) == 1:
            return Linear(self.columns, (factor * self.coefficients[0],), factor * self.constant)
        return Linear(self.columns, [factor * c for c in self.coefficients], factor * self.constant)

    __rmul__ = __mul__

    def __neg__(self) -> "Linear":
        return self * -1.0

    def __sub__(self, other: "Linear | float") -> "Linear":
        return self + -other

    def __rsub__(self, other: float) -> "Linear":
        return -self + other

    def __le__(self, other: "Linear | float") -> Row:
        difference = self - other
        return Row(difference.columns, difference.coefficients, -math.inf, -difference.constant)

    def __ge__(self, other: "Linear | float") -> Row:
        difference = self - other
        return Row(difference.columns, difference.coefficients, -difference.constant, math.inf)


class Variable(Linear):
    """One column by itself."""

    __slots__ = ("column",)

    def __init__(self, column: int) -> None:
        super().__init__((column,), (1.0,))
        self.column = column


def total(expressions: Iterable[Linear]) -> Linear:
    """Sum of many expressions, in linear time."""
    columns: list[int] = []
    coefficients: list[float] = []
    constant = 0.0
    for expression in expressions:
        columns += expression.columns
        coefficients += expression.coefficients
        constant += expression.constant
    return Linear(columns, coefficients, constant)
