"""Which pod gets the next request: the one with the fewest under way, among equals the one idle the longest.

For an LLM a request lasts seconds and its length varies tenfold, so counting what is under way balances far
better than turns do. Serving equals in turn keeps an idle service fair.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """Where a pod listens."""

    ip: str
    port: int


@dataclass(slots=True)
class Balancer:
    """Requests under way by backend; a backend that left keeps its count until its last request has ended."""

    _available: tuple[Backend, ...] = ()
    _outstanding: dict[Backend, int] = field(default_factory=dict)
    _last_turn: dict[Backend, int] = field(default_factory=dict)
    _turn: int = 0

    def offer(self, backends: Iterable[Backend]) -> None:
        """From now on choose among these."""
        self._available = tuple(sorted(set(backends)))
        kept = {*self._available, *self._outstanding}
        self._last_turn = {one: turn for one, turn in self._last_turn.items() if one in kept}

    def take(self, *, excluding: Collection[Backend] = ()) -> Backend | None:
        """Choose a backend and count a request on it; None if there is none (left)."""
        candidates = [one for one in self._available if one not in excluding]
        if not candidates:
            return None
        chosen = min(
            candidates, key=lambda one: (self._outstanding.get(one, 0), self._last_turn.get(one, 0), one)
        )
        self._turn += 1
        self._last_turn[chosen] = self._turn
        self._outstanding[chosen] = self._outstanding.get(chosen, 0) + 1
        return chosen

    def give_back(self, backend: Backend) -> None:
        """A request on it has ended."""
        left = self._outstanding[backend] - 1
        if left:
            self._outstanding[backend] = left
        else:
            del self._outstanding[backend]

    def outstanding(self, backend: Backend) -> int:
        """Requests under way on it."""
        return self._outstanding.get(backend, 0)
