"""The page for whoever answers for one model: what came in, what was decided and why, what became of it."""

from dashboards import expressions as of
from dashboards.page import Choice, Kind, Page, Panel, Query, Row

_P95 = "observed, 95th percentile"
_IT = '{exported_namespace="$namespace", variant_name="$variant"}'
_MODEL = (
    '* on (model_name) max by (model_name) (inferno_variant_info{exported_namespace="$namespace", '
    'variant_name="$variant"})'
)


def _its(metric: str, legend: str, absent: str | None = None) -> Query:
    return Query(f"max(inferno_{metric}{_IT})", legend, absent)


def _servers(expr: str) -> str:
    """An expression by model, for the variant's model alone."""
    return f"({expr}) {_MODEL}"


def _p95(histogram: str) -> str:
    """What 95 of 100 observations of the variant's model are below."""
    return _servers(
        of.quantile(of.PROMISED_SHARE, histogram, by="model_name", where='{namespace="$namespace"}')
    )


_LOAD = Row(
    "Load",
    (
        Panel(
            title="Arrivals",
            tells="Requests that arrive at the model (finished or not), as the plan saw them, and what the "
            "servers finished.",
            queries=(
                _its("arrivals_requests_per_second", "arrive"),
                Query(
                    _servers(
                        "sum by (model_name) (rate(vllm:request_success_total"
                        '{namespace="$namespace"}[$__rate_interval]))'
                    ),
                    "finish",
                ),
            ),
            unit="reqps",
        ),
        Panel(
            title="Requests in the servers",
            tells="In the batches and in the queues. A queue that stays is more than the replicas carry.",
            queries=(_its("running_requests", "running"), _its("waiting_requests", "waiting")),
        ),
        Panel(
            title="Replicas",
            tells="The plan before and after the guard rails, what the workload has, and what is ready.",
            queries=(
                _its("planned_replicas", "planned"),
                _its("desired_replicas", "desired"),
                _its("current_replicas", "current"),
                _its("ready_replicas", "ready"),
                _its("max_replicas", "maximum", "without spec.maxReplicas"),
            ),
        ),
    ),
)
_LATENCY = Row(
    "Latency",
    (
        Panel(
            title="Inter-token latency",
            tells="Predicted and measured means, the servers' 95th percentile, and the promise, which is "
            "about the mean. Between bounds of the histogram (10 and 25 ms) a percentile is a guess.",
            queries=(
                _its("predicted_itl_seconds", "predicted, mean"),
                _its("observed_itl_seconds", "observed, mean"),
                Query(
                    " or ".join(_p95(histogram) for histogram in of.ITL_HISTOGRAMS),
                    f"{_P95} by its histogram",
                ),
                _its("target_itl_seconds", "target of the mean"),
            ),
            unit="s",
            width=12,
        ),
        Panel(
            title="Time to first token",
            tells="Predicted and measured means, the servers' 95th percentile, and the promise, which is "
            "about the 95th percentile.",
            queries=(
                _its("predicted_ttft_seconds", "predicted, mean"),
                _its("observed_ttft_seconds", "observed, mean"),
                Query(_p95(of.TTFT_HISTOGRAM), _P95),
                _its("target_ttft_seconds", "target of the 95th percentile"),
            ),
            unit="s",
            width=12,
        ),
    ),
)
_WHY = Row(
    "Why",
    (
        Panel(
            title="Reason of the plan",
            tells="Why the variant has its desired replicas; docs/operations.md explains each reason.",
            queries=(Query(f"max by (reason) (inferno_variant_decision{_IT})", "{{reason}}"),),
            kind=Kind.STATES,
        ),
        Panel(
            title="Conditions",
            tells="1 is True. Guarded is True while a guard rail holds the plan back.",
            queries=(
                Query(f"max by (type, reason) (inferno_variant_condition{_IT})", "{{type}}: {{reason}}"),
            ),
            kind=Kind.STATES,
            width=16,
        ),
        Panel(
            title="Guard rails at work",
            tells="Cycles per minute in which a guard rail changed the plan.",
            queries=(
                Query(
                    of.per_minute(f"inferno_guard_rail_total{_IT}", "rail"),
                    "{{rail}}",
                    "until a guard rail acts",
                ),
            ),
        ),
        Panel(
            title="Changes of the desired replicas",
            tells="Per hour, by direction and reason. Much of both directions is flapping.",
            queries=(
                Query(
                    of.in_the_last_hour(f"inferno_replica_scaling_total{_IT}", "direction, reason"),
                    "{{direction}}: {{reason}}",
                    "until the desired replicas change",
                ),
            ),
        ),
        Panel(
            title="HPA follows",
            tells="1: an HPA reads the metric and follows it, or the actuator scales itself. The reason says "
            "what is in the way.",
            queries=(
                Query(
                    "max by (reason) (inferno_variant_condition"
                    '{exported_namespace="$namespace", variant_name="$variant", type="Actuated"})',
                    "{{reason}}",
                ),
                Query(
                    f"max(inferno_current_replicas{_IT}) / max(inferno_desired_replicas{_IT})",
                    "current / desired",
                ),
            ),
        ),
    ),
)
_COST = Row(
    "Cost",
    (
        Panel(
            title="Cost",
            tells="Of the desired replicas, by the accelerator that they are on.",
            queries=(
                Query(
                    f"max by (accelerator_type) (inferno_variant_cost_cents_per_hour{_IT})",
                    "{{accelerator_type}}",
                ),
            ),
            unit="suffix: cents/h",
            width=24,
            height=6,
        ),
    ),
)

VARIANT = Page(
    title="Inferno / Variant",
    uid="inferno-variant",
    tells="One VariantAutoscaling: load, latency, decision and what became of it.",
    rows=(_LOAD, _LATENCY, _WHY, _COST),
    choices=(
        Choice("namespace", "label_values(inferno_variant_info, exported_namespace)", "Namespace"),
        Choice(
            "variant",
            'label_values(inferno_variant_info{exported_namespace="$namespace"}, variant_name)',
            "Variant",
        ),
    ),
)
