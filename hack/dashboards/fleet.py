"""The page for whoever answers for all models: is the promise kept, at what cost, and who goes short."""

from dashboards import expressions as of
from dashboards.page import Kind, Page, Panel, Query, Row

_CENTS = "suffix: cents/h"
_NAME = "{{exported_namespace}}/{{variant_name}}"
_ENOUGH = "while everything is served"

_PROMISE = Row(
    "Promise",
    (
        Panel(
            title="SLO attainment",
            tells="Share of variants that kept their promise over the time shown: the 95th percentile of the "
            "time to first token (its mean where this data source lacks the servers' histogram) and the "
            "mean inter-token latency within their targets. Variants that serve nothing do not count.",
            queries=(Query(f"avg(avg_over_time(({of.SLO_MET})[$__range:1m]))", "attained"),),
            unit="percentunit",
            kind=Kind.FIGURE,
            width=4,
            maximum=1.0,
        ),
        Panel(
            title="SLO attainment against the target",
            tells="The line at 99% is the aim; below it look at the variants on the right.",
            queries=(
                Query(f"avg({of.SLO_MET})", "within their targets"),
                Query("vector(0.99)", "aim"),
            ),
            unit="percentunit",
            width=10,
            maximum=1.0,
        ),
        Panel(
            title="Latency over target, by variant",
            tells="Latency divided by its target; above 1 the promise is broken. The percentile is that of "
            "the variant's model in its namespace.",
            queries=(
                Query(of.TTFT_QUANTILE_RATIO, f"TTFT, 95th percentile {_NAME}"),
                Query(of.TTFT_RATIO, f"TTFT, mean {_NAME}"),
                Query(of.ITL_RATIO, f"ITL, mean {_NAME}"),
            ),
            unit="percentunit",
            width=10,
        ),
    ),
)
_DEMAND = Row(
    "Demand and replicas",
    (
        Panel(
            title="Demand by class",
            tells="Requests that arrive, finished or not, as the plans saw them.",
            queries=(Query(of.DEMAND, "{{service_class}} (priority {{priority}})"),),
            unit="reqps",
            width=12,
            stacked=True,
        ),
        Panel(
            title="Replicas",
            tells="Desired by the plan, asked for by the workloads, ready to serve.",
            queries=(
                Query("sum(inferno_desired_replicas)", "desired"),
                Query("sum(inferno_current_replicas)", "current"),
                Query("sum(inferno_ready_replicas)", "ready"),
            ),
            width=12,
        ),
    ),
)
_COST = Row(
    "Cost",
    (
        Panel(
            title="Cost now",
            tells="Of all desired replicas, at the prices of accelerator-unit-costs.",
            queries=(Query(of.COST, "cost"),),
            unit=_CENTS,
            kind=Kind.FIGURE,
            width=4,
        ),
        Panel(
            title="Saved against static peak",
            tells="How much less was paid over the time shown than with every variant fixed at its own "
            "highest number of replicas in that time.",
            queries=(
                Query(f"1 - sum(avg_over_time(inferno_plan_cost_cents_per_hour[$__range])) / {of.PEAK_COST}"),
            ),
            unit="percentunit",
            kind=Kind.FIGURE,
            width=4,
        ),
        Panel(
            title="Cost against static peak",
            tells="The area between the lines is what autoscaling saves.",
            queries=(Query(of.COST, "cost"), Query(of.PEAK_COST, "static peak")),
            unit=_CENTS,
            width=16,
        ),
    ),
)
_DEVICES = Row(
    "Devices",
    (
        Panel(
            title="GPU units against their limit",
            tells="Devices that the plan uses and may use: allocatable, less what other pods request.",
            queries=(
                Query("max by (device) (inferno_gpus_used)", "{{device}} used"),
                Query("max by (device) (inferno_gpus_limit)", "{{device}} limit"),
            ),
            width=12,
        ),
        Panel(
            title="Share of the limit in use",
            tells="At 100% the next request for this device makes somebody wait.",
            queries=(
                Query(
                    "max by (device) (inferno_gpus_used) / (max by (device) (inferno_gpus_limit) > 0)",
                    "{{device}}",
                ),
            ),
            unit="percentunit",
            width=12,
            maximum=1.0,
        ),
    ),
)
_SCARCITY = Row(
    "Scarcity",
    (
        Panel(
            title="Demand that is not served, by class",
            tells="Requests for which no replica can be paid with devices. A lower priority number is served "
            "first.",
            queries=(Query(of.UNSERVED, "{{service_class}} (priority {{priority}})"),),
            unit="reqps",
            width=12,
        ),
        Panel(
            title="Variants without an answer",
            tells="Short of devices, infeasible at any number of replicas, or held for lack of data.",
            queries=(
                Query('count(inferno_variant_condition{reason="InsufficientCapacity"})', "short", _ENOUGH),
                Query("max(inferno_infeasible_variants)", "infeasible"),
                Query("max(inferno_held_variants)", "held"),
            ),
            width=12,
        ),
    ),
)

FLEET = Page(
    title="Inferno / Fleet",
    uid="inferno-fleet",
    tells="Demand, replicas, promise, cost and devices of all variants.",
    rows=(_PROMISE, _DEMAND, _COST, _DEVICES, _SCARCITY),
)
