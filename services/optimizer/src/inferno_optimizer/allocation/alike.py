"""Choices that are alike are one choice of how many: of thousands some hundred are left.

Where who is served is decided, hundreds of demands may run on one slot of this device or on one of that one,
and nothing else about them matters. Two rows sum of z = 1 are alike when from one of their columns to the
next the objective and all other rows change by the same: then only the numbers of those that choose each
count, and branch and bound need not try them in all orders. What is found holds for the program as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from inferno_optimizer.allocation.program import Flags, Floats, Indices, Matrix, OpenPart

LEAST_COLUMNS: Final = 500
"""Smaller programs are solved as they are."""

CONNECTING: Final = 100
"""Only rows of more columns than this may have to do with choices that are alike."""

MUCH: Final = 0.8
"""Only a program that shrinks to less than this is changed."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A part in which one choice stands for all that are alike.

    `kept` are its columns in the part that it was made of; `classes` are columns there, by choice and option,
    the first choice being the one that is kept.
    """

    part: OpenPart
    kept: Indices
    classes: tuple[Indices, ...]

    @classmethod
    def of(cls, part: OpenPart) -> "Merged":
        """The part itself, where there are few choices alike."""
        count = len(part.columns)
        classes = tuple(_classes(part)) if count >= LEAST_COLUMNS else ()
        dropped = np.zeros(count, bool)
        for alike in classes:
            dropped[alike[1:]] = True
        if np.count_nonzero(dropped) < (1.0 - MUCH) * count:
            return cls(part, np.arange(count), ())
        return cls(_without(part, dropped, classes), np.flatnonzero(~dropped), classes)

    def summed(self, values: Floats) -> Floats:
        """Values of the whole part as values of this one."""
        values = values.copy()
        for alike in self.classes:
            values[alike[0]] = values[alike].sum(axis=0)
        return values[self.kept]

    def spread(self, values: Floats, count: int) -> Floats:
        """Values of the whole part, of `count` columns: the first choices take the first option."""
        whole = np.zeros(count)
        whole[self.kept] = values
        for alike in self.classes:
            numbers = np.round(whole[alike[0]]).astype(np.int64)
            options = np.repeat(np.arange(len(numbers)), numbers)
            whole[alike] = 0.0
            whole[alike[np.arange(len(options)), options]] = 1.0
        return whole


def _classes(part: OpenPart) -> Iterator[Indices]:
    """Choices that are alike, as arrays of columns by choice and option, two choices at least."""
    matrix, one_of = part.matrix, part.one_of
    chosen = one_of[matrix.rows]
    length = np.bincount(matrix.rows, minlength=len(one_of))
    shared = ~one_of & (length > CONNECTING)
    in_shared = shared[matrix.rows]
    says = np.zeros((len(part.columns), np.count_nonzero(shared) + 1))
    says[:, -1] = part.costs
    says[matrix.columns[in_shared], (np.cumsum(shared) - 1)[matrix.rows[in_shared]]] = matrix.coefficients[
        in_shared
    ]
    plain = part.integer & (part.lower == 0.0) & (part.upper == 1.0)
    plain &= np.bincount(matrix.columns[chosen], minlength=len(plain)) == 1
    plain[matrix.columns[~chosen & ~in_shared]] = False
    all_plain = np.bincount(matrix.rows, plain[matrix.columns], len(one_of)) == length
    for options in np.unique(length[one_of & all_plain]):
        rows = one_of & all_plain & (length == options)
        columns = matrix.columns[rows[matrix.rows]].reshape(-1, options)
        yield from _alike(columns, says)


def _alike(columns: Indices, says: Floats) -> Iterator[Indices]:
    """The choices of equally many options, class by class."""
    changes = says[columns[:, 1:]] - says[columns[:, :1]]
    _, kind = np.unique(changes.reshape(len(columns), -1), axis=0, return_inverse=True)
    order = np.argsort(kind, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(kind[order])) + 1):
        if len(members) > 1:
            yield columns[members]


def _without(part: OpenPart, dropped: Flags, classes: tuple[Indices, ...]) -> OpenPart:
    """The part without the dropped columns, for which the first choice of each class stands."""
    matrix, rows = part.matrix, len(part.row_lower)
    upper, base = part.upper.copy(), np.zeros(len(dropped))
    for alike in classes:
        upper[alike[0]] = len(alike)
        base[alike[:, 0]] += 1.0
        base[alike[0, 0]] -= len(alike)
    one_of = part.one_of
    chosen = one_of[matrix.rows]
    row_of = np.zeros(len(dropped), np.int64)
    row_of[matrix.columns[chosen]] = matrix.rows[chosen]
    shift = np.where(one_of, 0.0, matrix.activity(base, rows))
    for alike in classes:
        shift[row_of[alike[0, 0]]] = 1.0 - len(alike)
    kept = ~dropped[matrix.columns]
    stay = ~one_of | (np.bincount(matrix.rows, kept, rows) > 0)
    return replace(
        part,
        columns=part.columns[~dropped],
        lower=part.lower[~dropped],
        upper=upper[~dropped],
        integer=part.integer[~dropped],
        costs=part.costs[~dropped],
        constant=part.constant + float(part.costs @ base),
        matrix=Matrix(
            (np.cumsum(stay) - 1)[matrix.rows[kept]],
            (np.cumsum(~dropped) - 1)[matrix.columns[kept]],
            matrix.coefficients[kept],
        ),
        row_lower=(part.row_lower - shift)[stay],
        row_upper=(part.row_upper - shift)[stay],
    )
