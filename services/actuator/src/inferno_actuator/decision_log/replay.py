"""Sends logged snapshots to an optimizer again and says where its answer differs from the logged plan.

What is compared is the plan, not the desired value: guard rails have a memory that a replay has not.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from inferno_actuator.decision_log.lines import Line, LoggedDecision, LoggedSnapshot, parse_line
from inferno_shared.contracts import Allocation, Plan, Snapshot


class Optimizer(Protocol):
    """Plans a snapshot."""

    async def optimize(self, snapshot: Snapshot) -> Plan:
        """The plan for `snapshot`."""
        ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """One logged decision beside what an optimizer says of it now."""

    logged: LoggedDecision
    now: Allocation | None

    @property
    def differs(self) -> bool:
        """Whether another number, accelerator or outcome comes out."""
        return _figures(self.logged.allocation) != _figures(self.now)


class ReplayError(Exception):
    """The file cannot be replayed; the message says which line and why."""


def read_log(path: Path) -> Iterator[Line]:
    """The lines of a decision log, oldest first; one that was cut off at the end is left out.

    Raises:
        ReplayError: no such file, or a line in the middle is none.
    """
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ReplayError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ReplayError(f"{path}: not a decision log: {error}") from error
    for number, text in enumerate(texts, start=1):
        try:
            yield parse_line(text)
        except ValueError as error:
            if number == len(texts):
                return
            raise ReplayError(f"{path}, line {number}: {error}") from error


async def replay(
    lines: Iterable[Line], optimizer: Optimizer, *, variant: str | None = None
) -> AsyncIterator[Comparison]:
    """Every logged decision (of one variant, if given) beside the optimizer's answer now.

    Raises:
        ReplayError: there is none.
    """
    snapshots: dict[str, Snapshot] = {}
    snapshot_id, plan = "", None
    met: set[str] = set()
    for line in lines:
        if isinstance(line, LoggedSnapshot):
            snapshots = {line.snapshot_id: line.snapshot}
        if not isinstance(line, LoggedDecision) or line.snapshot_id not in snapshots:
            continue
        met.add(line.variant)
        if variant not in (None, line.variant):
            continue
        if plan is None or line.snapshot_id != snapshot_id:
            snapshot_id, plan = line.snapshot_id, await optimizer.optimize(snapshots[line.snapshot_id])
        yield Comparison(line, _allocation(plan, line))
    if not met:
        raise ReplayError("no decision in it: is it a file of INFERNO_DECISION_LOG_FILE, with its snapshots?")
    if variant is not None and variant not in met:
        raise ReplayError(
            f"no decision about {variant} in it (NAMESPACE/NAME); about {', '.join(sorted(met))}"
        )


def table(comparisons: Sequence[Comparison]) -> str:
    """The comparisons as text, one a line."""
    head = ("time", "variant", "logged plan", "desired", "plan now", "difference")
    rows = [head, *(_row(comparison) for comparison in comparisons)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(comparison: Comparison) -> tuple[str, ...]:
    logged = comparison.logged
    rails = ",".join(ruling.rail for ruling in logged.rails)
    desired = "-" if logged.desired_replicas is None else str(logged.desired_replicas)
    return (
        logged.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        logged.variant,
        _shown(logged.allocation),
        f"{desired} ({rails})" if rails else desired,
        _shown(comparison.now),
        _difference(comparison),
    )


def _difference(comparison: Comparison) -> str:
    before, now = comparison.logged.allocation, comparison.now
    if not comparison.differs:
        return "same"
    if before is None or now is None:
        return "only logged" if now is None else "only now"
    cost = now.cost_per_hour - before.cost_per_hour
    return (
        f"{now.replicas - before.replicas:+d} replicas, {cost:+g} cents/h, {before.outcome} -> {now.outcome}"
    )


def _shown(allocation: Allocation | None) -> str:
    if allocation is None:
        return "-"
    return f"{allocation.replicas} x {allocation.accelerator or '?'} ({allocation.reason})"


def _figures(allocation: Allocation | None) -> tuple[object, ...] | None:
    if allocation is None:
        return None
    return allocation.accelerator, allocation.replicas, allocation.outcome, allocation.reason


def _allocation(plan: Plan, line: LoggedDecision) -> Allocation | None:
    return next((a for a in plan.allocations if (a.namespace, a.name) == (line.namespace, line.name)), None)
