"""Turns a snapshot and a scenario into the snapshot that the scenario describes; the first stays as it is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from inferno_optimizer.whatif.capacity import change_capacity
from inferno_optimizer.whatif.changes import (
    ChangeError,
    change_load,
    change_price,
    change_priority,
    change_slo,
)
from inferno_shared.contracts import LoadState, Policy, Scenario, Snapshot, unknown_fields

MOST_SHOWN = 5

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One field of a scenario that names nothing known, or asks for what cannot be."""

    field: str
    message: str


class ScenarioError(ValueError):
    """A scenario that does not fit the snapshot; all that is wrong with it at once."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("; ".join(f"{c.field}: {c.message}" for c in complaints))
        self.complaints = tuple(complaints)


def apply(snapshot: Snapshot, scenario: Scenario) -> Snapshot:
    """The snapshot as it would be, with an identity of its own.

    Raises:
        ScenarioError: a model, namespace, device, node, accelerator or class is not in the snapshot, or there
            are fewer units than are to be taken.
    """
    complaints: list[Complaint] = []
    edited = snapshot
    edited = _apply_each(edited, "load", scenario.load, change_load, complaints)
    edited = _apply_each(edited, "capacity", scenario.capacity, change_capacity, complaints)
    edited = _apply_each(edited, "prices", scenario.prices, change_price, complaints)
    edited = _apply_each(edited, "slos", scenario.slos, change_slo, complaints)
    edited = _apply_each(edited, "priorities", scenario.priorities, change_priority, complaints)
    if complaints:
        raise ScenarioError(complaints)
    if scenario.policy is not None:
        edited = edited.model_copy(update={"policy": _overridden(edited.policy, scenario.policy)})
    return edited.model_copy(update={"id": edited.content_id()})


def notes(snapshot: Snapshot, edited: Snapshot, scenario: Scenario) -> list[str]:
    """What of the scenario had no effect, in sentences."""
    return [
        *(_unread(path, closest) for path, closest in unknown_fields(scenario)),
        *_loads_left(snapshot, scenario),
        *_capacity_ignored(edited, scenario),
    ]


def _apply_each(
    snapshot: Snapshot,
    kind: str,
    changes: Sequence[C],
    change: Callable[[Snapshot, C], Snapshot],
    complaints: list[Complaint],
) -> Snapshot:
    for index, one in enumerate(changes):
        try:
            snapshot = change(snapshot, one)
        except ChangeError as error:
            complaints.append(Complaint(f"{kind}[{index}].{error.field}", error.message))
    return snapshot


def _overridden(policy: Policy, override: Policy) -> Policy:
    given = override.model_fields_set & set(Policy.model_fields)
    return policy.model_copy(update={name: getattr(override, name) for name in sorted(given)})


def _unread(path: str, closest: str | None) -> str:
    return f"{path} is not read" + (f": did you mean {closest}?" if closest else "")


def _loads_left(snapshot: Snapshot, scenario: Scenario) -> Iterator[str]:
    """Variants whose load a factor does not reach."""
    for state, reason in ((LoadState.UNKNOWN, "their load is unknown"), (LoadState.IDLE, "they are idle")):
        names = [
            f"{v.namespace}/{v.name}"
            for v in snapshot.variants
            if v.load.state is state
            and any(c.model in (None, v.model) and c.namespace in (None, v.namespace) for c in scenario.load)
        ]
        if names:
            more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
            yield f"load does not change for {', '.join(names[:MOST_SHOWN])}{more}: {reason}"


def _capacity_ignored(edited: Snapshot, scenario: Scenario) -> Iterator[str]:
    if scenario.capacity and edited.policy.unlimited:
        yield "capacity has no effect: policy.unlimited is true; set it to false in the scenario's policy"
