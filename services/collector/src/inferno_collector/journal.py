"""Says in the log what changed from one snapshot to the next, and nothing when nothing did."""

from collections.abc import Iterator, Mapping

from inferno_shared.contracts import Problem, SloTarget, Snapshot, Variant
from inferno_shared.service import get_logger

log = get_logger(__name__)


class Journal:
    """Remembers the last snapshot's inventory, targets and problems."""

    def __init__(self) -> None:
        self._inventory: frozenset[str] = frozenset()
        self._targets: frozenset[str] = frozenset()
        self._problems: Mapping[tuple[str, str], Problem] = {}

    def record(self, snapshot: Snapshot) -> None:
        """Log the differences to the snapshot before."""
        inventory = frozenset(
            f"Found inventory: nodeName - {node.node} , model - {node.device} , "
            f"count - {node.allocatable} , mem - {node.memory_mib or 'unknown'}"
            for node in snapshot.inventory
        )
        for line in sorted(inventory - self._inventory):
            log.debug(line)
        targets = frozenset(_targets(snapshot))
        for line in sorted(targets - self._targets):
            log.info(line)
        problems = {(problem.subject, problem.reason): problem for problem in snapshot.problems}
        for key in problems.keys() - self._problems.keys():
            log.warning(problems[key].message, subject=key[0], reason=key[1])
        for key in self._problems.keys() - problems.keys():
            log.info("no longer a problem", subject=key[0], reason=key[1])
        self._inventory, self._targets, self._problems = inventory, targets, problems
        log.debug("snapshot taken", id=snapshot.id, variants=len(snapshot.variants), problems=len(problems))


def _targets(snapshot: Snapshot) -> Iterator[str]:
    targets: dict[tuple[str, str], SloTarget] = {
        (service_class.name, target.model): target
        for service_class in snapshot.service_classes
        for target in service_class.targets
    }
    for variant in snapshot.variants:
        yield _target_line(variant, targets[variant.service_class, variant.model])


def _target_line(variant: Variant, target: SloTarget) -> str:
    return (
        f"Found SLO for model - model: {variant.model}, class: {variant.service_class}, "
        f"slo-tpot: {target.itl_ms or 0:g}, slo-ttft: {target.ttft_ms or 0:g}"
    )
