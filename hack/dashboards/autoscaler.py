"""The page for whoever operates the autoscaler itself: does it turn, on fresh data, with proven plans?"""

from dashboards import expressions as of
from dashboards.page import Kind, Page, Panel, Query, Row

_NO_ERROR = "while nothing fails"
_SERVICES = "inferno-autoscaler.*"
_NO_TLS = "for a service that is served without TLS"


def _median_and_95th(histogram: str) -> tuple[Query, ...]:
    return (
        Query(of.quantile(0.5, histogram), "median"),
        Query(of.quantile(0.95, histogram), "95th percentile"),
    )


_LOOP = Row(
    "Loop",
    (
        Panel(
            title="Leaders",
            tells="Exactly 1.",
            queries=(Query("sum(inferno_leader)", "leaders"),),
            kind=Kind.FIGURE,
            width=4,
        ),
        Panel(
            title="Cycles",
            tells="Cycles per minute by outcome.",
            queries=(
                Query(
                    of.per_minute("inferno_loop_duration_seconds_count", "outcome"),
                    "{{outcome}}",
                ),
            ),
            width=6,
        ),
        Panel(
            title="Duration of a cycle",
            tells="From the question for a snapshot to the last status that is written.",
            queries=_median_and_95th("inferno_loop_duration_seconds"),
            unit="s",
            width=6,
        ),
        Panel(
            title="Stages",
            tells="Mean duration of each stage; together they are the cycle.",
            queries=(Query(of.mean("inferno_stage_duration_seconds", "stage"), "{{stage}}"),),
            unit="s",
            stacked=True,
        ),
    ),
)
_AGE = Row(
    "Age of data",
    (
        Panel(
            title="Plan and snapshot",
            tells="A plan older than the bound is not exported any more: HPAs then hold what runs.",
            queries=(
                Query("max(inferno_plan_age_seconds)", "plan"),
                Query("max(inferno_snapshot_age_seconds)", "snapshot"),
                Query("max(inferno_plan_max_age_seconds)", "bound"),
            ),
            unit="s",
        ),
        Panel(
            title="Load",
            tells="Age of the oldest load in the collector's last snapshot, by its newest sample.",
            queries=(Query("max(inferno_collector_data_age_seconds)", "oldest load"),),
            unit="s",
        ),
        Panel(
            title="Variants by load",
            tells="Observed, idle or unknown. Unknown never scales down.",
            queries=(Query("max by (load) (inferno_collector_variants)", "{{load}}"),),
        ),
    ),
)
_ERRORS = Row(
    "Errors",
    (
        Panel(
            title="Failures by stage",
            tells="Per minute. The last desired replicas stay meanwhile.",
            queries=(
                Query(
                    of.per_minute("inferno_stage_errors_total", "stage, reason"),
                    "{{stage}}: {{reason}}",
                    _NO_ERROR,
                ),
            ),
            width=6,
        ),
        Panel(
            title="Problems by reason",
            tells="What collector and optimizer reported with the last plan: one bad variant, class or price "
            "never stops the others.",
            queries=(Query("max by (reason) (inferno_problems)", "{{reason}}", _NO_ERROR),),
            width=6,
        ),
        Panel(
            title="Prometheus, as the collector sees it",
            tells="Readings per minute that failed as a whole; 1 while the circuit is open.",
            queries=(
                Query(
                    "60 * sum(rate(inferno_collector_source_failures_total[$__rate_interval]))", "failures"
                ),
                Query(
                    'max(inferno_collector_source_circuit{state="open"})',
                    "circuit open",
                    "when pods are read directly",
                ),
            ),
            width=6,
        ),
        Panel(
            title="Status writes",
            tells="Per minute by result; fenced are those of an earlier leader.",
            queries=(Query(of.per_minute("inferno_status_writes_total", "result"), "{{result}}"),),
            width=6,
        ),
    ),
)
_SOLVER = Row(
    "Solver",
    (
        Panel(
            title="Last plan",
            tells="optimal: proven; feasible: the time ran out with a plan in hand; fallback: no solver.",
            queries=(Query("max by (status) (inferno_plan_status)", "{{status}}"),),
            kind=Kind.STATES,
            width=6,
        ),
        Panel(
            title="Plans",
            tells="Per minute, by how good they are proven to be and whether the independent check agrees.",
            queries=(
                Query(
                    of.per_minute("inferno_optimizer_plans_total", "status, verified"),
                    "{{status}}, verified {{verified}}",
                ),
            ),
            width=6,
        ),
        Panel(
            title="Gap",
            tells="How much better each objective of the last plan could be at most; 0 is proven optimal.",
            queries=(Query("max by (objective) (inferno_plan_gap_ratio)", "{{objective}}"),),
            unit="percentunit",
            width=6,
        ),
        Panel(
            title="Time for a plan",
            tells="From snapshot to plan in the optimizer.",
            queries=_median_and_95th("inferno_optimizer_plan_seconds"),
            unit="s",
            width=6,
        ),
    ),
)
_WORKERS = Row(
    "The optimizer's workers",
    (
        Panel(
            title="Workers",
            tells="Processes that solve, of all optimizers. All busy for long: requests wait for their turn.",
            queries=(
                Query("sum(inferno_optimizer_workers)", "running"),
                Query("sum(inferno_optimizer_workers_busy)", "busy"),
            ),
        ),
        Panel(
            title="Deaths of workers",
            tells="In a quarter of an hour. Each failed one request; most often memory was short.",
            queries=(Query(of.WORKER_DEATHS, "deaths"),),
        ),
        Panel(
            title="Processor of workers",
            tells="Cores that requests keep busy, beside the servers' own below.",
            queries=(
                Query("sum(rate(inferno_optimizer_worker_cpu_seconds_total[$__rate_interval]))", "cores"),
            ),
        ),
    ),
)
_PROCESSES = Row(
    "Processes",
    (
        Panel(
            title="Memory",
            tells="Resident, by pod or address; the optimizer's workers come on top, some 100 MiB each.",
            queries=(
                Query(
                    f'max by (job, instance) (process_resident_memory_bytes{{job=~"{_SERVICES}"}})',
                    "{{job}} {{instance}}",
                ),
            ),
            unit="bytes",
        ),
        Panel(
            title="Processor",
            tells="Cores in use.",
            queries=(
                Query(
                    "max by (job, instance) (rate(process_cpu_seconds_total"
                    f'{{job=~"{_SERVICES}"}}[$__rate_interval]))',
                    "{{job}} {{instance}}",
                ),
            ),
        ),
        Panel(
            title="Certificates expire in",
            tells="A service reads a renewed certificate without a restart.",
            queries=(
                Query(
                    "min by (job) (inferno_tls_certificate_expiration_timestamp_seconds) - time()",
                    "{{job}}",
                    _NO_TLS,
                ),
            ),
            unit="s",
        ),
    ),
)

AUTOSCALER = Page(
    title="Inferno / Autoscaler",
    uid="inferno-autoscaler",
    tells="The loop, the age of its data, its errors and its solver.",
    rows=(_LOOP, _AGE, _ERRORS, _SOLVER, _WORKERS, _PROCESSES),
)
