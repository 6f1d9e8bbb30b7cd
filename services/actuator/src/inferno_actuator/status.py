"""Renders `.status` of a VariantAutoscaling in upstream's field names, numbers as strings with two decimals.

Pure. The result is the whole new status: a number that is no longer known goes, fields that are not ours
stay. Whether it is worth a write is decided in `significance`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from inferno_actuator.conditions import merge, timestamp
from inferno_actuator.decisions import Decision
from inferno_actuator.significance import LAST_RUN_TIME
from inferno_actuator.verdicts import failure_verdict, verdicts
from inferno_shared.contracts import Snapshot, Variant

JsonObject = dict[str, Any]

FENCING: Final = "fencingToken"


@dataclass(frozen=True, slots=True)
class Prices:
    """What one unit of each accelerator costs, in cents per hour."""

    by_accelerator: Mapping[str, float]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Prices":
        """The prices of a snapshot."""
        return cls({a.name: a.cost_per_hour for a in snapshot.accelerators})

    def of_current(self, variant: Variant) -> float | None:
        """Cents per hour of what runs now: price * units per replica * replicas; None without a price."""
        price = self.by_accelerator.get(variant.current.accelerator or "")
        if price is None:
            return None
        units = next(
            (p.acc_count for p in variant.profiles if p.accelerator == variant.current.accelerator), 1
        )
        return price * units * variant.current.replicas


def render(
    decision: Decision, previous: Mapping[str, Any], *, prices: Prices, generation: int, now: datetime
) -> JsonObject:
    """The status after a cycle that came to a decision.

    Args:
        decision: of this cycle.
        previous: the status as it is in the API server.
        prices: of the snapshot that was decided on.
        generation: of the spec that was decided on.
        now: time of the decision.
    """
    found = verdicts(decision)
    status: JsonObject = {
        "conditions": merge(previous.get("conditions"), found, generation=generation, now=now)
    }
    if decision.variant is not None:
        status["currentAlloc"] = _current(decision.variant, prices)
    if decision.desired is not None:
        status["desiredOptimizedAlloc"] = {
            "accelerator": decision.desired.accelerator,
            "numReplicas": decision.desired.replicas,
        }
    if decision.desired is not None and decision.variant is not None:
        # Only a plan makes a desired allocation younger; one that is merely kept keeps its time.
        status["desiredOptimizedAlloc"][LAST_RUN_TIME] = timestamp(now)
        status["actuation"] = {"applied": is_applied(decision)}
    return _merge_patched(previous, status)


def render_failure(
    message: str, previous: Mapping[str, Any], *, generation: int, now: datetime
) -> JsonObject:
    """The status after a cycle that failed: the condition says why, nothing else is touched."""
    conditions = merge(previous.get("conditions"), [failure_verdict(message)], generation=generation, now=now)
    return {**previous, "conditions": conditions}


def stamped(status: Mapping[str, Any], token: int) -> JsonObject:
    """The status with the writer's fencing token in it."""
    actuation = status.get("actuation")
    return {**status, "actuation": {**(actuation if isinstance(actuation, Mapping) else {}), FENCING: token}}


def token_of(status: Mapping[str, Any]) -> int | None:
    """The fencing token of whoever wrote this status last; None when it has none."""
    actuation = status.get("actuation")
    token = actuation.get(FENCING) if isinstance(actuation, Mapping) else None
    return token if isinstance(token, int) and not isinstance(token, bool) else None


def is_applied(decision: Decision) -> bool:
    """Whether the scale target already has the desired replicas on the desired accelerator."""
    if decision.variant is None or decision.desired is None:
        return False
    current = decision.variant.current
    same_place = current.accelerator in (None, decision.desired.accelerator)
    return same_place and current.replicas == decision.desired.replicas


def _current(variant: Variant, prices: Prices) -> JsonObject:
    load, observed = variant.load, variant.observed
    return {
        "accelerator": variant.current.accelerator,
        "numReplicas": variant.current.replicas,
        "maxBatch": _max_batch(variant),
        "variantCost": _decimal(prices.of_current(variant)),
        "itlAverage": _decimal(observed.itl_ms),
        "waitAverage": _decimal(observed.wait_ms),
        "ttftAverage": _decimal(observed.ttft_ms),
        "load": {
            "arrivalRate": _decimal(load.arrival_rate_rpm),
            "avgLength": _decimal(load.output_tokens),
            "avgInputTokens": _decimal(load.input_tokens),
            "avgOutputTokens": _decimal(load.output_tokens),
        },
    }


def _max_batch(variant: Variant) -> int | None:
    if variant.max_batch_size is not None:
        return variant.max_batch_size
    running = (p.max_batch_size for p in variant.profiles if p.accelerator == variant.current.accelerator)
    return next(running, None)


def _decimal(number: float | None) -> str | None:
    return None if number is None else f"{number:.2f}"


def _merge_patched(target: Mapping[str, Any], patch: Mapping[str, Any]) -> JsonObject:
    """RFC 7396."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            below = merged.get(name)
            merged[name] = _merge_patched(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged
