"""One option per group within the room there is: a small problem, and what makes one too large."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inferno_optimizer.allocation.program import Floats, Indices


class NotSmallError(Exception):
    """The problem takes more than this is made for."""


@dataclass(frozen=True)
class Knapsack:
    """Options, one per column, in the order of their groups: these are numbered from 0, and none is empty.

    An option takes slots (`takes`: rows, options) of one `device`, or of none (-1); a row has `room` slots of
    its `row_device`. `values` (objectives, options) are to be minimised lexicographically.
    """

    group: Indices
    device: Indices
    takes: Indices
    values: Floats
    room: Indices
    row_device: Indices

    @cached_property
    def starts(self) -> Indices:
        """First option of every group."""
        return np.flatnonzero(np.diff(self.group, prepend=-1))
