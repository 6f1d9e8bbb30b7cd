"""Which series Prometheus keeps beside the raw ones, and when somebody has to look."""

from dashboards import expressions as of
from dashboards.page import Alert, Rule

WARNING, CRITICAL = "warning", "critical"
_VARIANT = "{{ $labels.exported_namespace }}/{{ $labels.variant_name }}"
_OFF = 'type="Actuated", reason!="AdviseOnly"'

RECORDING: tuple[Rule, ...] = (
    Rule("inferno:variant:itl_target_ratio", of.ITL_RATIO),
    Rule("inferno:variant:ttft_target_ratio", of.TTFT_RATIO),
    Rule("inferno:variant:means_met", of.MEANS_MET),
    Rule("inferno:fleet:means_met_ratio", f"avg({of.MEANS_MET})"),
    Rule("inferno:class:unserved_requests_per_second", of.UNSERVED),
    Rule("inferno:fleet:cost_cents_per_hour", of.COST),
)

ALERTS: tuple[Alert, ...] = (
    Alert(
        name="InfernoDown",
        expr="absent(inferno_leader)",
        lasting="5m",
        severity=CRITICAL,
        summary="No actuator is scraped",
        description="HPAs hold what runs. No change of load is acted on.",
    ),
    Alert(
        name="InfernoNoLeader",
        expr="sum(inferno_leader) != 1",
        lasting="2m",
        severity=CRITICAL,
        summary="{{ $value }} actuators lead instead of 1",
        description="Without a leader nothing is planned; HPAs hold what runs once the last plan is too old.",
    ),
    Alert(
        name="InfernoNoSnapshot",
        expr='sum by (reason) (increase(inferno_stage_errors_total{stage="collect"}[5m])) > 0',
        lasting="5m",
        severity=CRITICAL,
        summary="The collector gives no usable snapshot ({{ $labels.reason }})",
        description="The last desired replicas stay until the plan is too old; then HPAs hold what runs.",
    ),
    Alert(
        name="InfernoPlanStale",
        expr="max(inferno_plan_age_seconds) > max(inferno_plan_max_age_seconds)",
        lasting="1m",
        severity=CRITICAL,
        summary="The last plan is {{ $value | humanizeDuration }} old",
        description="Desired replicas are not exported any more: HPAs hold what runs, whatever the load.",
    ),
    Alert(
        name="InfernoMetricsMissing",
        expr=f'max by ({of.VARIANT}, reason) (inferno_variant_condition{{type="MetricsAvailable"}} == 0)',
        lasting="10m",
        severity=WARNING,
        summary=f"The load of {_VARIANT} is unknown ({{{{ $labels.reason }}}})",
        description="Its replicas are held: it does not grow with its load.",
    ),
    Alert(
        name="InfernoSloMissed",
        expr=f"({of.MEANS_MET}) == 0 unless ({of.AT_MAXIMUM}) unless ({of.SCARCE})",
        lasting="10m",
        severity=WARNING,
        summary=f"{_VARIANT} misses its latency targets",
        description="Measured means are above the targets; neither spec.maxReplicas nor a lack of devices is "
        "the reason.",
    ),
    Alert(
        name="InfernoDemandUnserved",
        expr=f"({of.UNSERVED}) / ({of.DEMAND}) > 0.01",
        lasting="5m",
        severity='{{ if eq $labels.priority "1" }}critical{{ else }}warning{{ end }}',
        summary="{{ $value | humanizePercentage }} of class {{ $labels.service_class }} are not served",
        description="The devices do not suffice for this class (priority {{ $labels.priority }}).",
    ),
    Alert(
        name="InfernoHpaNotFollowing",
        expr=f"max by ({of.VARIANT}, reason) (inferno_variant_condition{{{_OFF}}} == 0)",
        lasting="10m",
        severity=WARNING,
        summary=f"Nobody carries out the plan of {_VARIANT} ({{{{ $labels.reason }}}})",
        description="The desired replicas are exported, but no HPA follows them.",
    ),
    Alert(
        name="InfernoReplicasDiffer",
        expr=f"{of.of_variant('inferno_desired_replicas')} != {of.of_variant('inferno_ready_replicas')}",
        lasting="15m",
        severity=WARNING,
        summary=f"{_VARIANT}: {{{{ $value }}}} replicas are desired, another number is ready",
        description="Either nothing asks for them (HPA, adapter) or the pods do not become ready.",
    ),
    Alert(
        name="InfernoSolverTimeouts",
        expr=f"{of.UNPROVEN_SHARE} > 0.2",
        lasting="15m",
        severity=WARNING,
        summary="{{ $value | humanizePercentage }} of the plans are not proven optimal",
        description="The solver runs out of time. Plans are checked all the same, but may cost too much.",
    ),
    Alert(
        name="InfernoWorkersDying",
        expr=f"{of.WORKER_DEATHS} > 2",
        lasting="5m",
        severity=WARNING,
        summary="{{ $value }} of the optimizer's workers died within 15 minutes",
        description="Each failed one request. Most often the container's memory does not suffice.",
    ),
    Alert(
        name="InfernoCertificateExpiring",
        expr="min by (job) (inferno_tls_certificate_expiration_timestamp_seconds) - time() < 7 * 86400",
        lasting="1h",
        severity=WARNING,
        summary="The certificate of {{ $labels.job }} expires in {{ $value | humanizeDuration }}",
        description="Once expired, the services, Prometheus and the API server refuse to talk to it.",
    ),
    Alert(
        name="InfernoCertificateRefused",
        expr="max by (job) (inferno_tls_files_refused) == 1",
        lasting="15m",
        severity=WARNING,
        summary="{{ $labels.job }} cannot use its TLS files",
        description="The certificate before stays in force until it expires.",
    ),
)
