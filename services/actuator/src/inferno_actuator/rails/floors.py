"""Rails that no setting turns off: what a plan must never do, whatever optimizer made it."""

from inferno_actuator.known import counted
from inferno_actuator.rails.situation import Situation
from inferno_actuator.ruling import Rail, Ruling
from inferno_shared.contracts import LoadState


def while_demand_is_unknown(wanted: int, at: Situation) -> Ruling | None:
    """Neither ready replicas nor the last desired ones are undercut while nobody knows the demand.

    Worked example: 4 ready, 3 last desired, the plan says 1 although the load is unknown: 4 stay.
    """
    if at.variant.load.state is not LoadState.UNKNOWN:
        return None
    ready = at.variant.current.ready_replicas
    floor = max(ready, at.before)
    if wanted >= floor:
        return None
    message = (
        f"the plan wants {counted(wanted)} although the load is unknown; {ready} ready and {at.before} last "
        f"desired stay until it is measured again: see condition MetricsAvailable"
    )
    return Ruling(Rail.DEMAND_UNKNOWN, wanted, floor, message)


def zero_only_when_allowed(wanted: int, at: Situation) -> Ruling | None:
    """No replica at all only where the VariantAutoscaling says minReplicas 0."""
    minimum = at.variant.min_replicas
    if wanted > 0 or minimum == 0:
        return None
    message = (
        f"no replica is wanted, minReplicas is {minimum}; set spec.minReplicas: 0 to allow scale to zero"
    )
    return Ruling(Rail.ZERO_NOT_ALLOWED, wanted, minimum, message)
