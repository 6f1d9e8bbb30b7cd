"""Status conditions and timestamps in the form that every Kubernetes object uses.

One rule matters to readers: lastTransitionTime moves only when the status itself changes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Condition:
    """What a controller found; the transition time is added when it is written.

    `renewed` moves lastUpdateTime though nothing else changed: a Deployment's sign of progress.
    """

    type: str
    holds: bool
    reason: str
    message: str = ""
    renewed: bool = False

    @property
    def status(self) -> str:
        """`True` or `False` as Kubernetes writes it."""
        return "True" if self.holds else "False"


def rfc3339(moment: datetime) -> str:
    """Whole seconds in UTC: 2025-09-04T18:37:23Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def merged(
    previous: Iterable[Mapping[str, Any]],
    found: Iterable[Condition],
    now: datetime,
    *,
    update_time: bool = False,
) -> list[dict[str, Any]]:
    """The condition list to write: found ones in their order, then those of other authors unchanged.

    `update_time` adds lastUpdateTime, which Deployments have and others do not.
    """
    before = {condition["type"]: condition for condition in previous}
    written: dict[str, dict[str, Any]] = {}
    for condition in found:
        known = before.get(condition.type, {})
        same_status = known.get("status") == condition.status
        entry = {
            "type": condition.type,
            "status": condition.status,
            **({"reason": condition.reason} if condition.reason else {}),
            **({"message": condition.message} if condition.message else {}),
            "lastTransitionTime": known.get("lastTransitionTime") if same_status else None,
        }
        entry["lastTransitionTime"] = entry["lastTransitionTime"] or rfc3339(now)
        if update_time:
            same = same_status and known.get("reason") == condition.reason and not condition.renewed
            entry["lastUpdateTime"] = known.get("lastUpdateTime", rfc3339(now)) if same else rfc3339(now)
        written[condition.type] = entry
    return [*written.values(), *(dict(entry) for kind, entry in before.items() if kind not in written)]
