"""The series of a plan as a whole: what it carries of each demand, and how good it is proven to be. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final, get_args

from inferno_actuator.metric_names import (
    DEMAND,
    MODEL,
    NAMESPACE,
    OBJECTIVE,
    PLAN_GAP,
    PLAN_STATUS,
    PRIORITY,
    SERVED,
    SERVICE_CLASS,
    STATUS,
    MetricName,
)
from inferno_actuator.variant_series import Sample
from inferno_shared.contracts import Certificate, Demand

_SECONDS_PER_MINUTE: Final = 60.0


def carried(demands: Iterable[Demand]) -> Iterator[tuple[MetricName, list[Sample]]]:
    """Each demand beside what of it is served, in requests per second."""
    known = list(demands)
    yield DEMAND, list(_rates((demand, demand.rate_rpm) for demand in known))
    yield SERVED, list(_rates((demand, demand.served_rpm) for demand in known))


def _rates(rates: Iterable[tuple[Demand, float | None]]) -> Iterator[Sample]:
    """One rate (requests/min) of each demand; nothing for an unknown one."""
    for demand, rate_rpm in rates:
        if rate_rpm is not None:
            labels = {
                NAMESPACE: demand.namespace,
                MODEL: demand.model,
                SERVICE_CLASS: demand.service_class,
                PRIORITY: str(demand.priority),
            }
            yield Sample(labels, rate_rpm / _SECONDS_PER_MINUTE)


def certified(certificate: Certificate) -> Iterator[tuple[MetricName, list[Sample]]]:
    """How good the plan is: proven, found but not proven, or made without a solver."""
    known = get_args(Certificate.model_fields["status"].annotation)
    yield PLAN_STATUS, [Sample({STATUS: status}, float(status == certificate.status)) for status in known]
    gaps = [(stage.objective, stage.gap) for stage in certificate.stages]
    yield PLAN_GAP, [Sample({OBJECTIVE: name}, gap) for name, gap in gaps if gap is not None]
