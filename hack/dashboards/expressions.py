"""The PromQL that pages, rules and alerts share.

Everything is built from what the actuator exports, whose `namespace` Prometheus calls `exported_namespace`
(the scrape has a namespace of its own): OpenShift confines a rule to series of the rule's own namespace, so
a rule must not join series of the model servers.
"""

VARIANT = "exported_namespace, variant_name"


def of_variant(metric: str) -> str:
    """One value per variant, whatever accelerator it is on, from whichever actuator leads."""
    return f"max by ({VARIANT}) ({metric})"


ITL_RATIO = f"{of_variant('inferno_observed_itl_seconds')} / {of_variant('inferno_target_itl_seconds')}"
TTFT_RATIO = f"{of_variant('inferno_observed_ttft_seconds')} / {of_variant('inferno_target_ttft_seconds')}"


def _marked(ratio: str, target: str) -> str:
    return f'label_replace(({ratio}) <= bool 1, "target", "{target}", "", "")'


SLO_MET = f"min by ({VARIANT}) ({_marked(ITL_RATIO, 'itl')} or {_marked(TTFT_RATIO, 'ttft')})"
AT_MAXIMUM = f"{of_variant('inferno_desired_replicas')} >= {of_variant('inferno_max_replicas')}"
SCARCE = of_variant('inferno_variant_condition{type="OptimizationReady", reason="InsufficientCapacity"} == 0')

_CLASS = "sum by (service_class, priority)"
DEMAND = f"{_CLASS} (inferno_demand_requests_per_second)"
SERVED = f"{_CLASS} (inferno_served_requests_per_second)"
UNSERVED = f"clamp_min({DEMAND} - {SERVED}, 0)"

COST = "sum(inferno_plan_cost_cents_per_hour)"
PEAK_COST = f"sum(max by ({VARIANT}) (max_over_time(inferno_variant_cost_cents_per_hour[$__range] @ end())))"

UNPROVEN_SHARE = (
    'sum(increase(inferno_optimizer_plans_total{status!="optimal"}[15m])) '
    "/ sum(increase(inferno_optimizer_plans_total[15m]))"
)


def quantile(share: float, histogram: str, *, by: str = "", where: str = "") -> str:
    """A quantile of a histogram, for each value of the labels in `by`; nothing while nothing was observed."""
    labels = f"le, {by}" if by else "le"
    rates = f"rate({histogram}_bucket{where}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({labels}) ({rates})) >= 0"


def mean(histogram: str, by: str) -> str:
    """The mean of what a histogram observed, for each value of the labels in `by`."""
    total, count = (f"sum by ({by}) (rate({histogram}_{end}[$__rate_interval]))" for end in ("sum", "count"))
    return f"({total} / {count}) >= 0"
