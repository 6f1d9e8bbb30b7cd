"""Every metric of the actuator: its name, help and labels, each stated once.

The label vocabulary is that of the seed's guide; names follow Prometheus' conventions (base units, `_total`).
"""

from dataclasses import dataclass
from typing import Final

VARIANT: Final = "variant_name"
NAMESPACE: Final = "namespace"
ACCELERATOR: Final = "accelerator_type"
DIRECTION: Final = "direction"
REASON: Final = "reason"
DEVICE: Final = "device"
STAGE: Final = "stage"
OUTCOME: Final = "outcome"
RESULT: Final = "result"
RAIL: Final = "rail"
MODEL: Final = "model_name"
SERVICE_CLASS: Final = "service_class"
PRIORITY: Final = "priority"
TYPE: Final = "type"
STATUS: Final = "status"
OBJECTIVE: Final = "objective"

_PER_VARIANT: Final = (VARIANT, NAMESPACE, ACCELERATOR)
_PER_DEMAND: Final = (NAMESPACE, MODEL, SERVICE_CLASS, PRIORITY)


@dataclass(frozen=True, slots=True)
class MetricName:
    """Name, help and labels of one metric."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


DESIRED: Final = MetricName("inferno_desired_replicas", "Replicas that the plan wants", _PER_VARIANT)
CURRENT: Final = MetricName("inferno_current_replicas", "Replicas of the scale target now", _PER_VARIANT)
READY: Final = MetricName("inferno_ready_replicas", "Ready replicas of the scale target now", _PER_VARIANT)
MAXIMUM: Final = MetricName(
    "inferno_max_replicas",
    "Replicas that spec.maxReplicas allows at most; no series without it",
    _PER_VARIANT,
)
PLANNED: Final = MetricName(
    "inferno_planned_replicas", "Replicas that the plan wants before any guard rail", _PER_VARIANT
)
RATIO: Final = MetricName(
    "inferno_desired_ratio", "Desired over current replicas; desired when current is 0", _PER_VARIANT
)
SCALINGS: Final = MetricName(
    "inferno_replica_scaling_total",
    "Changes of the desired replicas",
    (VARIANT, NAMESPACE, DIRECTION, REASON),
)
PREDICTED_ITL: Final = MetricName(
    "inferno_predicted_itl_seconds", "Inter-token latency that the plan predicts", _PER_VARIANT
)
PREDICTED_TTFT: Final = MetricName(
    "inferno_predicted_ttft_seconds", "Time to first token that the plan predicts", _PER_VARIANT
)
OBSERVED_ITL: Final = MetricName(
    "inferno_observed_itl_seconds", "Mean inter-token latency that the servers measured", _PER_VARIANT
)
OBSERVED_TTFT: Final = MetricName(
    "inferno_observed_ttft_seconds", "Mean time to first token that the servers measured", _PER_VARIANT
)
TARGET_ITL: Final = MetricName("inferno_target_itl_seconds", "Inter-token latency promised", _PER_VARIANT)
TARGET_TTFT: Final = MetricName("inferno_target_ttft_seconds", "Time to first token promised", _PER_VARIANT)
ARRIVALS: Final = MetricName(
    "inferno_arrivals_requests_per_second", "Requests that arrive, as the plan saw them", _PER_VARIANT
)
RUNNING: Final = MetricName("inferno_running_requests", "Requests in the servers' batches", _PER_VARIANT)
WAITING: Final = MetricName("inferno_waiting_requests", "Requests in the servers' queues", _PER_VARIANT)
DEMAND: Final = MetricName(
    "inferno_demand_requests_per_second",
    "Load of one model and service class; no series while it is unknown",
    _PER_DEMAND,
)
SERVED: Final = MetricName(
    "inferno_served_requests_per_second",
    "Part of the demand that the plan serves within its SLO",
    _PER_DEMAND,
)
VARIANT_INFO: Final = MetricName(
    "inferno_variant_info",
    "1; the model and the service class of a variant",
    (VARIANT, NAMESPACE, MODEL, SERVICE_CLASS),
)
CONDITION: Final = MetricName(
    "inferno_variant_condition",
    "1 when the condition of the VariantAutoscaling is True, 0 when it is False",
    (VARIANT, NAMESPACE, TYPE, REASON),
)
DECISION: Final = MetricName(
    "inferno_variant_decision", "1; why the variant has its desired replicas", (VARIANT, NAMESPACE, REASON)
)
VARIANT_COST: Final = MetricName(
    "inferno_variant_cost_cents_per_hour", "Cost of the desired replicas of one variant", _PER_VARIANT
)
PLAN_COST: Final = MetricName("inferno_plan_cost_cents_per_hour", "Cost of all desired replicas")
GPUS_USED: Final = MetricName("inferno_gpus_used", "Devices that the plan uses", (DEVICE,))
GPUS_LIMIT: Final = MetricName("inferno_gpus_limit", "Devices that the plan may use", (DEVICE,))
VARIANTS: Final = MetricName("inferno_variants", "VariantAutoscalings that the last plan decided on")
INFEASIBLE: Final = MetricName("inferno_infeasible_variants", "Variants whose SLO no profile can meet")
HELD: Final = MetricName("inferno_held_variants", "Variants that keep their replicas for lack of an answer")
GUARDED: Final = MetricName(
    "inferno_guarded_variants", "Variants whose plan a guard rail changes now", (RAIL,)
)
GUARDINGS: Final = MetricName(
    "inferno_guard_rail_total",
    "Cycles in which a guard rail changed the plan of a variant",
    (VARIANT, NAMESPACE, RAIL),
)
SNAPSHOT_AGE: Final = MetricName("inferno_snapshot_age_seconds", "Age of the snapshot behind the last plan")
PLAN_AGE: Final = MetricName("inferno_plan_age_seconds", "Age of the last plan")
PLAN_MAX_AGE: Final = MetricName("inferno_plan_max_age_seconds", "Age at which desired series disappear")
PLAN_STATUS: Final = MetricName(
    "inferno_plan_status", "1 for how good the last plan is proven to be, 0 for the others", (STATUS,)
)
PLAN_GAP: Final = MetricName(
    "inferno_plan_gap_ratio", "How much better an objective of the last plan could be at most", (OBJECTIVE,)
)
PROBLEMS: Final = MetricName(
    "inferno_problems", "Problems that collector and optimizer reported, by reason", (REASON,)
)
LEADER: Final = MetricName("inferno_leader", "1 when this process runs the loop")
LOOP_DURATION: Final = MetricName("inferno_loop_duration_seconds", "Duration of one cycle", (OUTCOME,))
STAGE_DURATION: Final = MetricName("inferno_stage_duration_seconds", "Duration of one stage", (STAGE,))
STAGE_ERRORS: Final = MetricName("inferno_stage_errors_total", "Failures of a stage", (STAGE, REASON))
STATUS_WRITES: Final = MetricName("inferno_status_writes_total", "Status writes by result", (RESULT,))
