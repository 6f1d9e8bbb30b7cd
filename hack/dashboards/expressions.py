"""The PromQL that pages, rules and alerts share.

What the actuator exports has its variant's namespace as `exported_namespace`: the scrape has a `namespace` of
its own. OpenShift confines a rule to series of the rule's own namespace, so rules and alerts read the
actuator alone, which knows mean latencies; pages join what the model servers say, and judge by that.
"""

VARIANT = "exported_namespace, variant_name"
TTFT_HISTOGRAM = "vllm:time_to_first_token_seconds"
# vLLM calls it by the first of these names, by the second up to 0.10.
ITL_HISTOGRAMS = ("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds")
PROMISED_SHARE = 0.95


def of_variant(metric: str) -> str:
    """One value per variant, whatever accelerator it is on, from whichever actuator leads."""
    return f"max by ({VARIANT}) ({metric})"


def quantile(share: float, histogram: str, *, by: str = "", where: str = "") -> str:
    """A quantile of a histogram, for each value of the labels in `by`; nothing while nothing was observed."""
    labels = f"le, {by}" if by else "le"
    rates = f"rate({histogram}_bucket{where}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({labels}) ({rates})) >= 0"


def mean(histogram: str, by: str) -> str:
    """The mean of what a histogram observed, for each value of the labels in `by`."""
    total, count = (f"sum by ({by}) (rate({histogram}_{end}[$__rate_interval]))" for end in ("sum", "count"))
    return f"({total} / {count}) >= 0"


def per_minute(counter: str, by: str) -> str:
    """How often a minute, for each value of the labels in `by`."""
    return f"60 * sum by ({by}) (rate({counter}[$__rate_interval]))"


def in_the_last_hour(counter: str, by: str) -> str:
    """How often in an hour, with the first time: `increase` does not see how a series comes into being."""
    return f"sum by ({by}) (clamp_min({counter} - ({counter} offset 1h or 0 * {counter}), 0))"


_TTFT_TARGET = of_variant("inferno_target_ttft_seconds")
ITL_RATIO = f"{of_variant('inferno_observed_itl_seconds')} / {of_variant('inferno_target_itl_seconds')}"
TTFT_RATIO = f"{of_variant('inferno_observed_ttft_seconds')} / {_TTFT_TARGET}"

# The servers' histograms tell it by model: variants of one model in one namespace share it.
_TTFT_OF_MODEL = quantile(PROMISED_SHARE, TTFT_HISTOGRAM, by="namespace, model_name")
_TTFT_QUANTILE = (
    f"max by ({VARIANT}, model_name) (inferno_variant_info) "
    "* on (exported_namespace, model_name) group_left () max by (exported_namespace, model_name) "
    f'(label_join({_TTFT_OF_MODEL}, "exported_namespace", "", "namespace"))'
)
TTFT_QUANTILE_RATIO = f"max by ({VARIANT}) ({_TTFT_QUANTILE}) / {_TTFT_TARGET}"


def _marked(ratio: str, target: str) -> str:
    return f'label_replace(({ratio}) <= bool 1, "target", "{target}", "", "")'


def _all_met(ttft_ratio: str) -> str:
    return f"min by ({VARIANT}) ({_marked(ITL_RATIO, 'itl')} or {_marked(ttft_ratio, 'ttft')})"


MEANS_MET = _all_met(TTFT_RATIO)
# As the targets are meant: ITL in the mean, TTFT at its 95th percentile where the servers have the histogram.
# (By a percentile of the ITL histogram nobody can judge a target of 24 ms: vLLM's bucket is 10 to 25 ms.)
SLO_MET = _all_met(f"({TTFT_QUANTILE_RATIO}) or ({TTFT_RATIO})")
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
# Rounded: what `increase` extrapolates makes 2.1 of two deaths.
WORKER_DEATHS = "round(sum(increase(inferno_optimizer_worker_deaths_total[15m])))"
