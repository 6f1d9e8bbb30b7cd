"""Matches pods against many label selectors without trying each of them.

5,000 pods against 1,000 Deployments are 5 million comparisons; with an index by each selector's rarest label
they are a few per pod.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

_Owner = TypeVar("_Owner")


class SelectorIndex(Generic[_Owner]):
    """Finds the owners whose `match_labels` could select a pod: a superset, to be checked by the caller."""

    def __init__(self, entries: Iterable[tuple[str, Mapping[str, str], _Owner]]) -> None:
        """Index (namespace, match_labels, owner) entries."""
        listed = list(entries)
        uses = Counter((namespace, *pair) for namespace, labels, _ in listed for pair in labels.items())
        self._by_label: dict[tuple[str, str, str], list[_Owner]] = defaultdict(list)
        self._without_labels: dict[str, list[_Owner]] = defaultdict(list)
        for namespace, labels, owner in listed:
            if labels:
                rarest = min(labels.items(), key=lambda pair: (uses[namespace, *pair], pair))
                self._by_label[namespace, *rarest].append(owner)
            else:
                self._without_labels[namespace].append(owner)

    def candidates(self, namespace: str, labels: Mapping[str, str]) -> Iterator[_Owner]:
        """Owners to be checked against a pod of `namespace` with `labels`."""
        for pair in labels.items():
            yield from self._by_label.get((namespace, *pair), ())
        yield from self._without_labels.get(namespace, ())
