"""What each condition, Event and metric means and what to do: the tables of docs/operations.md.

The words stand here, next to the vocabulary that they explain, so that a test finds a name without words.
`python -m inferno_actuator.reference docs/operations.md` puts the tables into the file.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from inferno_actuator import metric_names
from inferno_actuator.conditions import ConditionReason as Reason
from inferno_actuator.conditions import ConditionType as Type
from inferno_actuator.metric_names import MetricName
from inferno_actuator.ruling import Rail
from inferno_actuator.settings import ActuatorSettings
from inferno_shared.reference import fill_named_files, markdown_table
from inferno_shared.service import ServiceSettings, settings_table


class Meaning(NamedTuple):
    """One reason of one condition, for people."""

    status: str
    means: str
    do: str


_NOTHING: Final = "Nothing."

CONDITIONS: Final[Mapping[Type, Mapping[Reason | Rail, Meaning]]] = {
    Type.TARGET_RESOLVED: {
        Reason.TARGET_FOUND: Meaning("True", "The workload to scale exists.", _NOTHING),
        Reason.TARGET_NOT_FOUND: Meaning(
            "False",
            "There is no workload of that name, or its kind cannot be scaled here; nothing is exported. "
            "Looked for every minute.",
            "Create it, or correct `spec.scaleTargetRef`; the message says which, and which kinds are known.",
        ),
    },
    Type.METRICS_AVAILABLE: {
        Reason.METRICS_FOUND: Meaning("True", "The load is measured; the message has it.", _NOTHING),
        Reason.METRICS_MISSING: Meaning(
            "False",
            "No usable series of the model: replicas are held.",
            "Check that the pods are scraped (ServiceMonitor, `/metrics`) and that `spec.modelID` is their "
            "`model_name`.",
        ),
        Reason.METRICS_STALE: Meaning(
            "False", "The newest sample is too old: replicas are held.", "Check the scraping, and the clocks."
        ),
        Reason.PROMETHEUS_ERROR: Meaning(
            "False",
            "Prometheus did not answer, or not usably: replicas are held.",
            "Check `PROMETHEUS_*` in the ConfigMap, the certificate and the token; the collector's log has "
            "the error.",
        ),
    },
    Type.OPTIMIZATION_READY: {
        Reason.OPTIMIZATION_SUCCEEDED: Meaning("True", "The plan serves the load within the SLO.", _NOTHING),
        Reason.OPTIMIZATION_FAILED: Meaning(
            "False",
            "A stage of the cycle failed, or the plan could not be meant. The last desired replicas stay.",
            "Read the message: it names the stage. It mends itself when that service is back.",
        ),
        Reason.METRICS_UNAVAILABLE: Meaning(
            "False", "Without load there is no plan: replicas are held.", "See `MetricsAvailable`."
        ),
        Reason.INVALID_CONFIGURATION: Meaning(
            "False",
            "Spec, service class or accelerator cost cannot be used.",
            "Correct what the message names: it takes effect at once.",
        ),
        Reason.INSUFFICIENT_CAPACITY: Meaning(
            "False",
            "The devices do not suffice for the demand.",
            "Add nodes, lower the priority of others, or accept; `/plan` has used against limit.",
        ),
        Reason.INFEASIBLE_SLO: Meaning(
            "False",
            "No profile meets the targets at any load: replicas are held.",
            "Correct the targets or the profile; the message has the best number that can be reached.",
        ),
    },
    Type.GUARDED: {
        Reason.PLAN_FOLLOWED: Meaning("False", "No guard rail changes the plan any more.", _NOTHING),
        Rail.DEMAND_UNKNOWN: Meaning(
            "True",
            "The plan wanted fewer replicas than are ready while the load is unknown.",
            "See `MetricsAvailable`.",
        ),
        Rail.WOULD_REVERT: Meaning(
            "True",
            "A decrease would be reverted by a little more load (in terms of lambda\\*).",
            "Nothing; `SCALE_DOWN_MARGIN` sets how much more (5%; `none` turns it off).",
        ),
        Rail.STABILIZING: Meaning(
            "True",
            "A decrease waits: a higher plan is younger than the window.",
            "Nothing; `SCALE_DOWN_STABILIZATION` sets the window (off).",
        ),
        Rail.STEP_DOWN_BOUND: Meaning(
            "True",
            "A decrease goes in steps.",
            "Nothing; `MAX_SCALE_DOWN` sets the step per interval (none).",
        ),
        Rail.STEP_UP_BOUND: Meaning(
            "True",
            "An increase goes in steps.",
            "Raise `MAX_SCALE_UP` (none) if latencies suffer meanwhile.",
        ),
        Rail.ZERO_NOT_ALLOWED: Meaning(
            "True", "The plan wanted no replica at all.", "Set `spec.minReplicas: 0` if that is fine."
        ),
        Rail.WAITS_FOR_DEVICES: Meaning(
            "True",
            "Others still hold devices that the plan gives to this variant; the message names them.",
            "Nothing, or shorten what the message names: it ends with their decrease.",
        ),
    },
    Type.ACTUATED: {
        Reason.TARGET_NOT_FOUND: Meaning(
            "False", "There is nothing to scale, so nothing is exported.", "See `TargetResolved`."
        ),
        Reason.HPA_FOLLOWS: Meaning("True", "An HPA reads the metric and will follow it.", _NOTHING),
        Reason.NO_HPA: Meaning(
            "False",
            "No HPA scales the target: nobody acts.",
            "Apply `config/samples/hpa-integration.yaml`, or choose mode `direct` or `off`.",
        ),
        Reason.HPA_CONFLICT: Meaning(
            "False",
            "More than one would scale the target: two HPAs, or an HPA in mode `direct`.",
            "Delete all but one, or remove the annotation.",
        ),
        Reason.HPA_MISCONFIGURED: Meaning(
            "False",
            "The HPA reads another metric, another variant, all variants, or has another target.",
            "Compare it with `config/samples/hpa-integration.yaml`.",
        ),
        Reason.HPA_DISABLED: Meaning(
            "False",
            "Kubernetes disables an HPA whose target has 0 replicas.",
            "`kubectl scale` the target to 1 once, or choose mode `direct`.",
        ),
        Reason.HPA_MAXIMUM: Meaning(
            "False", "More is desired than the HPA's maxReplicas.", "Raise `spec.maxReplicas` of the HPA."
        ),
        Reason.HPA_MINIMUM: Meaning(
            "False", "Less is desired than the HPA's minReplicas.", "Lower `spec.minReplicas` of the HPA."
        ),
        Reason.HPA_TOLERANCE: Meaning(
            "False",
            "The change is within the HPA's tolerance: from 10 replicas on, +-1 is ignored for ever.",
            "Set `spec.behavior.scaleUp.tolerance: 0` and the same for scaleDown (Kubernetes 1.35), or "
            "choose mode `direct` and delete the HPA.",
        ),
        Reason.SCALED: Meaning("True", "Mode `direct`: the target has the desired replicas.", _NOTHING),
        Reason.SCALE_FAILED: Meaning(
            "False",
            "Mode `direct`: the target's scale could not be written. Tried again in the next cycle.",
            "Read the message; most often a right is missing (get and patch on the scale subresource).",
        ),
        Reason.ADVISE_ONLY: Meaning("False", "Mode `off`: the status advises, nothing acts.", _NOTHING),
    },
}

EVENTS: Final[Mapping[str, str]] = {
    "ScaleUp, ScaleDown": "The desired replicas changed; the message has both numbers and why.",
    "AcceleratorChanged": "The plan prefers another accelerator.",
    "a reason of a condition, Warning": "That problem began. It is told once, not while it lasts.",
    "a reason of a condition, Normal": "That problem ended (`Recovered from ...`), or a rail or mode began.",
}


def condition_table() -> str:
    """Every condition and reason."""
    rows = [
        (f"`{type_}`", meaning.status, f"`{reason}`", meaning.means, meaning.do)
        for type_, reasons in CONDITIONS.items()
        for reason, meaning in reasons.items()
    ]
    return markdown_table(("Condition", "Status", "Reason", "Means", "What to do"), rows)


def event_table() -> str:
    """Every kind of Event."""
    return markdown_table(("Event", "Means"), EVENTS.items())


def metrics() -> Sequence[MetricName]:
    """Every metric that the actuator exports, in the order of their definition."""
    return [it for it in vars(metric_names).values() if isinstance(it, MetricName)]


def metric_table() -> str:
    """Every metric with its labels."""
    rows = [
        (f"`{it.name}`", ", ".join(f"`{label}`" for label in it.labels), f"{it.help}.") for it in metrics()
    ]
    return markdown_table(("Metric", "Labels", "Means"), rows)


def setting_table() -> str:
    """Every environment variable that only the actuator has."""
    common = {row.variable for row in settings_table(ServiceSettings)}
    rows = [
        (f"`{row.variable}`", f"`{row.default}`" if row.default else "", row.description.replace("|", "or"))
        for row in settings_table(ActuatorSettings)
        if row.variable not in {*common, "INFERNO_IDENTITY"}
    ]
    return markdown_table(("Variable", "Default", "Means"), rows)


TABLES: Final = {
    "conditions": condition_table,
    "events": event_table,
    "metrics": metric_table,
    "settings": setting_table,
}


def _codes(labels: Iterable[str]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


if __name__ == "__main__":
    fill_named_files(TABLES)
