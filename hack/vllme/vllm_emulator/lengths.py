"""How long an answer becomes when the request sets no limit: drawn around a mean."""

import random


class OutputLengths:
    """Lengths with a given mean and coefficient of variation (gamma distributed; 0: always the mean)."""

    def __init__(self, *, mean: float, cv: float, seed: int | None) -> None:
        self._mean = mean
        self._cv = cv
        self._random = random.Random(seed)  # noqa: S311 - a simulation, not a secret

    def draw(self) -> int:
        """The next length in tokens, at least 1."""
        if self._cv == 0:
            return round(self._mean)
        variance_ratio = self._cv**2
        return max(1, round(self._random.gammavariate(1 / variance_ratio, self._mean * variance_ratio)))
