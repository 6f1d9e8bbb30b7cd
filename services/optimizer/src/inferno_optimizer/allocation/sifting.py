"""The linear relaxation of a large program by its prices: thousands of choices that a few rows connect.

At given prices of those rows each choice is made by itself, all at once. What they make of some prices
is a proposal; the solver mixes proposals, cluster by cluster of choices, and its prices make the next one
(Dantzig and Wolfe, Operations Research 8, 1960). Choices that are close at the prices leave their cluster and
are handed to the solver as they are, so that after about ten rounds none of the others changes any more: then
the mixture is the optimum of the whole relaxation, and its prices are those of the whole.

A choice is a row sum of z = 1 whose columns may have a y <= most z. Choices with columns in other rows, too,
are handed to the solver from the start.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.allocation.program import Flags, Floats, Indices, Matrix, OpenPart
from inferno_optimizer.allocation.solver import Relaxed, Unsolved, relax

LEAST_COLUMNS: Final = 20_000
"""Smaller relaxations are solved at once."""

CONNECTING: Final = 100
"""Rows of more columns than this connect choices."""

CLUSTERS: Final = 50
CLOSE: Final = 50
"""Choices that leave their clusters in each round."""

MOST_CHANGED: Final = 1_000
"""Choices that changed leave, too, unless they are more: then the prices are still far off."""

HEIGHTS: Final = (0.0, 0.01, 0.1, 1.0, 10.0, 100.0)
"""The first prices, relative to the usual cost of a column."""

PENALTY: Final = 3.0
"""What room that is not there costs at first, relative to the largest cost of a column."""

DEARER: Final = 30.0
MOST_ROUNDS: Final = 40
NOISE: Final = 1e-9


def relax_large(
    part: OpenPart, left_seconds: Callable[[], float], interrupter: SolveInterrupter | None
) -> Relaxed | Unsolved:
    """`solver.relax`, sooner where the part is large and mostly choices."""
    connecting = np.bincount(part.matrix.rows, minlength=len(part.row_lower)) > CONNECTING
    connecting &= part.row_lower == -np.inf
    if len(part.columns) >= LEAST_COLUMNS and connecting.any():
        choices = Choices.of(part, ~connecting)
        if 2 * np.count_nonzero(choices.joining) < len(part.columns):
            found = Sifting(part, choices, np.flatnonzero(connecting)).solve(left_seconds, interrupter)
            if found is not Unsolved.NOT_IN_TIME:
                return found
    return relax(part, left_seconds(), interrupter)


@dataclass(frozen=True, slots=True)
class Choices:
    """Of the columns z of one group, sorted by group, one is chosen; its y is -1 where it has none.

    `joining` are the columns, of all, that are in other rows or have other bounds.
    """

    z: Indices
    group: Indices
    starts: Indices
    y: Indices
    most: Floats
    joining: Flags

    @classmethod
    def of(cls, part: OpenPart, local: Flags) -> "Choices":
        """The choices in the rows that are `local`."""
        matrix, columns = part.matrix, len(part.columns)
        chosen = (local & part.one_of)[matrix.rows]
        z = matrix.columns[chosen]
        is_z = np.bincount(z, minlength=columns) == 1
        y_entries, z_entries = _links(part, local, is_z)
        y, most = np.full(columns, -1), np.zeros(columns)
        y[matrix.columns[z_entries]] = matrix.columns[y_entries]
        most[matrix.columns[z_entries]] = -matrix.coefficients[z_entries]
        joining = np.bincount(matrix.columns[chosen | y_entries], minlength=columns) != 1
        joining |= np.bincount(matrix.columns[z_entries], minlength=columns) > 1
        joining |= (part.lower != 0.0) | (is_z & (part.upper < np.inf))
        joining[matrix.columns[local[matrix.rows] & ~(chosen | y_entries | z_entries)]] = True
        joining[y[y >= 0]] |= part.upper[y[y >= 0]] < most[y >= 0]
        group = np.unique(matrix.rows[chosen], return_inverse=True)[1]
        return cls(z, group, np.flatnonzero(np.diff(group, prepend=-1)), y[z], most[z], joining)


def _links(part: OpenPart, local: Flags, is_z: Flags) -> tuple[Flags, Flags]:
    """Where the y and the z of rows y - most z <= 0 stand in the matrix, in the same order."""
    matrix, rows = part.matrix, len(part.row_lower)
    two = local & (np.bincount(matrix.rows, minlength=rows) == len(("y", "z")))
    two &= (part.row_lower == -np.inf) & (part.row_upper == 0.0)
    y_entries = two[matrix.rows] & (matrix.coefficients == 1.0) & ~is_z[matrix.columns]
    z_entries = two[matrix.rows] & (matrix.coefficients < 0.0) & is_z[matrix.columns]
    both = np.bincount(matrix.rows, y_entries, rows) * np.bincount(matrix.rows, z_entries, rows) == 1.0
    return y_entries & both[matrix.rows], z_entries & both[matrix.rows]


@dataclass(frozen=True, slots=True)
class Response:
    """What the choices are at some prices.

    By column: `costs`, and `values` with what is chosen. By z: its `excess` over the least of its group. By
    group: the `least`, and how `close` the second best comes to it.
    """

    costs: Floats
    values: Floats
    excess: Floats
    least: Floats
    close: Floats


@dataclass(frozen=True, slots=True)
class Master:
    """A mixture of proposals: `handed` columns of the whole, shares of proposals by cluster, rows' columns.

    Each connecting row has a column of room that is left, then each has one of room that is missing.
    `costs` and `uses` are those of the first proposal by cluster.
    """

    part: OpenPart
    handed: Indices
    proposals: int
    costs: Floats
    uses: Floats

    def split(self, amounts: Floats) -> Sequence[Floats]:
        """Amounts of the handed columns, of shares, of room left and of room missing."""
        first, shares = len(self.handed), self.proposals * CLUSTERS
        return np.split(amounts, [first, first + shares, first + shares + len(self.uses)])


class Sifting:
    """One relaxation; prices are those of the `connecting` rows."""

    def __init__(self, part: OpenPart, choices: Choices, connecting: Indices) -> None:
        self._part = part
        self._choices = choices
        matrix = part.matrix
        self._local = ~np.isin(matrix.rows, connecting)
        there = ~self._local
        self._uses = np.zeros((len(connecting), len(part.columns)))
        rows = np.searchsorted(connecting, matrix.rows[there])
        self._uses[rows, matrix.columns[there]] = matrix.coefficients[there]
        self._room = part.row_upper[connecting]
        self._unit = np.abs(self._uses).sum(axis=1) / np.count_nonzero(self._uses, axis=1)
        with_y = choices.y >= 0
        self._group = np.full(len(part.columns), -1)
        self._group[choices.z] = choices.group
        self._group[choices.y[with_y]] = choices.group[with_y]

    def solve(
        self, left_seconds: Callable[[], float], interrupter: SolveInterrupter | None
    ) -> Relaxed | Unsolved:
        """The whole relaxation; not in time: it was not solved so."""
        amounts = np.abs(self._part.costs[self._part.costs != 0])
        usual, largest = (float(np.median(amounts)), float(amounts.max())) if len(amounts) else (1.0, 1.0)
        penalty = PENALTY * largest / self._unit
        proposals = [self._response(height * usual / self._unit).values for height in HEIGHTS]
        active = self._joining()
        for _ in range(MOST_ROUNDS):
            master = self._master(active, proposals, penalty)
            found = relax(master.part, left_seconds(), interrupter)
            if isinstance(found, Unsolved):
                return found
            _, of_shares, worth, _ = master.split(found.reduced)
            prices = np.maximum(0.0, worth)
            missing = bool(np.any(master.split(found.values)[-1] > NOISE * self._unit))
            if missing and self._too_little(prices):
                return Unsolved.INFEASIBLE
            response = self._response(prices)
            mixed = master.costs + prices @ master.uses - of_shares[:CLUSTERS]
            lost = float(mixed.sum() - response.least[~active].sum())
            changed = self._differ(response.values, proposals[-1])
            settled = lost <= NOISE * max(1.0, abs(found.bound)) or not changed[~active].any()
            if settled and not missing:
                return self._whole(found, lost, master, response, proposals)
            penalty = penalty * (DEARER if settled else 1.0)
            proposals.append(response.values)
            active[np.argsort(response.close, kind="stable")[:CLOSE]] = True
            if np.count_nonzero(changed) < MOST_CHANGED:
                active |= changed
        return Unsolved.NOT_IN_TIME

    def _joining(self) -> Flags:
        """Groups that are handed to the solver from the start."""
        joining = np.zeros(len(self._choices.starts), bool)
        joining[self._group[self._choices.joining & (self._group >= 0)]] = True
        joining[self._choices.group[self._choices.joining[self._choices.z]]] = True
        return joining

    def _differ(self, values: Floats, others: Floats) -> Flags:
        """Groups that choose otherwise."""
        different = np.zeros(len(self._choices.starts), bool)
        different[self._group[(values != others) & (self._group >= 0)]] = True
        return different

    def _response(self, prices: Floats) -> Response:
        c = self._choices
        costs = self._part.costs + prices @ self._uses
        gain = np.where(c.y >= 0, np.minimum(0.0, costs[c.y]), 0.0)
        worth = costs[c.z] + c.most * gain
        least = np.minimum.reduceat(worth, c.starts)
        excess = worth - least[c.group]
        at_least = np.flatnonzero(excess == 0.0)
        best = at_least[np.unique(c.group[at_least], return_index=True)[1]]
        others = excess.copy()
        others[best] = np.inf
        values = np.zeros(len(costs))
        values[c.z[best]] = 1.0
        more = best[gain[best] < 0.0]
        values[c.y[more]] = c.most[more]
        return Response(costs, values, excess, least, np.minimum.reduceat(others, c.starts))

    def _too_little(self, prices: Floats) -> bool:
        """Whether at these prices the least that can be used is worth more than the room: a proof."""
        uses = prices @ self._uses
        least = np.minimum.reduceat(uses[self._choices.z], self._choices.starts).sum()
        others = np.where(uses < 0.0, self._part.upper, self._part.lower)
        others[self._choices.z] = 0.0
        worth = float(prices @ self._room)
        return bool(least + uses @ others > worth + NOISE * abs(worth))

    def _master(self, active: Flags, proposals: Sequence[Floats], penalty: Floats) -> Master:
        part, matrix, count = self._part, self._part.matrix, len(self._room)
        free = (self._group < 0) | active[self._group]
        handed, place = np.flatnonzero(free), np.cumsum(free) - 1
        local = self._local & free[matrix.columns]
        kept, local_rows = np.unique(matrix.rows[local], return_inverse=True)
        costs, uses = self._by_cluster(free, proposals)
        together = np.hstack([self._uses[:, handed], *uses, np.eye(count), -np.eye(count)])
        row, column = np.nonzero(together)
        shares = np.arange(costs.size)
        rows = np.concatenate([local_rows, len(kept) + shares % CLUSTERS, len(kept) + CLUSTERS + row])
        columns = np.concatenate([place[matrix.columns[local]], len(handed) + shares, column])
        entries = np.concatenate([matrix.coefficients[local], np.ones(len(shares)), together[row, column]])
        order = np.lexsort((columns, rows))
        added = len(shares) + 2 * count
        mixed = OpenPart(
            columns=np.arange(len(handed) + added),
            lower=np.append(part.lower[handed], np.zeros(added)),
            upper=np.append(part.upper[handed], np.full(added, np.inf)),
            integer=np.zeros(len(handed) + added, bool),
            costs=np.concatenate([part.costs[handed], costs.ravel(), np.zeros(count), penalty]),
            constant=part.constant,
            matrix=Matrix(rows[order], columns[order], entries[order]),
            row_lower=np.concatenate([part.row_lower[kept], np.ones(CLUSTERS), self._room]),
            row_upper=np.concatenate([part.row_upper[kept], np.ones(CLUSTERS), self._room]),
        )
        return Master(mixed, handed, len(proposals), costs[0], uses[0])

    def _by_cluster(self, free: Flags, proposals: Sequence[Floats]) -> tuple[Floats, Sequence[Floats]]:
        """Costs, and uses of every connecting row, of each proposal by cluster, without what is free."""
        costs: list[Floats] = []
        uses: list[Floats] = []
        for values in proposals:
            there = np.flatnonzero((values != 0.0) & ~free)
            cluster, taken = self._group[there] % CLUSTERS, values[there]
            costs.append(np.bincount(cluster, self._part.costs[there] * taken, CLUSTERS).astype(float))
            used = [np.bincount(cluster, row[there] * taken, CLUSTERS) for row in self._uses]
            uses.append(np.array(used, float))
        return np.array(costs, float), uses

    def _whole(
        self, found: Relaxed, lost: float, master: Master, response: Response, proposals: Sequence[Floats]
    ) -> Relaxed:
        """The mixture as a solution of the whole."""
        handed, shares, *_ = master.split(found.values)
        reduced = np.maximum(0.0, response.costs)
        reduced[self._choices.z] = response.excess
        reduced[master.handed] = found.reduced[: len(handed)]
        weights = shares.reshape(len(proposals), CLUSTERS)[:, self._group % CLUSTERS]
        values = (weights * np.array(proposals)).sum(axis=0)
        values[master.handed] = handed
        return Relaxed(found.bound - lost, reduced, values)
