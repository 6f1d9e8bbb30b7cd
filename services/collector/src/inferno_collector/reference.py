"""What each problem and metric of the collector means and what to do: tables of docs/operations.md.

`python -m inferno_collector.reference docs/operations.md` puts them into the file; a test finds a reason
without words, and a table that is not current.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from inferno_collector.gauges import METRICS
from inferno_collector.reasons import Reason
from inferno_collector.settings import CollectorSettings
from inferno_shared.reference import fill_named_files, markdown_table
from inferno_shared.service import settings_table


class Meaning(NamedTuple):
    """One reason, for people."""

    means: str
    do: str


MEANINGS: Final[Mapping[Reason, Meaning]] = {
    Reason.METRICS_MISSING: Meaning(
        "No usable series tells the load of the variant: it is unknown, never 0.",
        "The message names what was found instead: correct `spec.modelID`, the ServiceMonitor, or wait for "
        "the first samples of new pods.",
    ),
    Reason.METRICS_STALE: Meaning(
        "The newest sample is too old, or too few of the ready pods answer: the load is unknown.",
        "Look at the scrape targets in Prometheus, and at the clocks.",
    ),
    Reason.PROMETHEUS_ERROR: Meaning(
        "A query failed. For load: unknown until it works again; for details: only these are missing.",
        "The message has status and address: check `PROMETHEUS_*`, network, certificate, token.",
    ),
    Reason.PARTIAL_RESPONSE: Meaning(
        "Thanos or Prometheus answered with a warning: series may be missing, and what they miss is asked "
        "for again.",
        "Look for the store or the Prometheus replica that the warning names.",
    ),
    Reason.CLOCK_SKEW: Meaning(
        "Our clock and that of Prometheus differ by more than 10 s: ages of samples are wrong by as much.",
        "Synchronise the clocks of the nodes.",
    ),
    Reason.CERTIFICATE_NOT_USABLE: Meaning(
        "Changed certificate files cannot be loaded (half written, or no match); those before are in force.",
        "Nothing when it passes; else mend the secret before the old certificate ends.",
    ),
    Reason.TOKEN_NOT_SENT: Meaning(
        "The address is plain HTTP beyond loopback, so the bearer token is kept back.",
        "Use `https://` in `PROMETHEUS_BASE_URL`.",
    ),
    Reason.WATCH_LOST: Meaning(
        "A collection of the cluster is not followed, or the API server hangs: what is known may be old.",
        "The message says why; a refusal names the RBAC rule. It catches up by itself.",
    ),
    Reason.INVALID_OBJECT: Meaning(
        "An object could not be read and is left out; no other suffers.", "Correct the field that it names."
    ),
    Reason.INVALID_CONFIGURATION: Meaning(
        "A key of a ConfigMap, or a part of a VariantAutoscaling, cannot be used. The last good value of a "
        "key stays in force; a variant without a usable part is left out of the plan.",
        "Correct what the message names.",
    ),
    Reason.CONFIG_MAP_MISSING: Meaning(
        "A ConfigMap is missing or empty: the last good values stay in force.", "Apply it again."
    ),
    Reason.TARGET_NOT_FOUND: Meaning(
        "The workload to scale does not exist, is of an unknown kind, or its kind cannot be read.",
        "Create it, correct `spec.scaleTargetRef`, or grant the right that the message names.",
    ),
    Reason.DEVICE_UNKNOWN: Meaning(
        "A node or a driver offers units that cannot be named; they do not count.",
        "Label the node, or install the vendor's feature discovery.",
    ),
    Reason.DEVICE_TWICE: Meaning(
        "A node offers a device as an extended resource and by dynamic resource allocation: counted once.",
        "Turn one of the two off.",
    ),
    Reason.SHARES_DIFFER: Meaning(
        "One shared device is shared differently on different nodes: no profile fits all of them.",
        "Share it alike everywhere.",
    ),
    Reason.NODE_DELETING: Meaning(
        "The node is being deleted: only what our pods hold there counts, until they are gone.", "Nothing."
    ),
    Reason.NODE_UNSCHEDULABLE: Meaning(
        "The node is cordoned: it offers no new place; what our pods hold there counts until they are moved.",
        "`kubectl uncordon` when its maintenance is over.",
    ),
    Reason.NODE_NOT_READY: Meaning(
        "The node is not ready: only what pods of ours hold there counts that are still ready themselves.",
        "Look at the node; it counts again at once when it is back.",
    ),
    Reason.NODE_TAINTED: Meaning(
        "No variant's pods tolerate the node's taint: only what runs there already counts.",
        "Take the taint off, or add the toleration to the pod templates.",
    ),
    Reason.TAINT_NOT_TOLERATED_BY_ALL: Meaning(
        "The node counts as capacity for every variant, though the pods of some cannot run there.",
        "Add the toleration to the templates that lack it.",
    ),
}


def problem_table() -> str:
    """Every reason."""
    return markdown_table(
        ("Reason", "Means", "What to do"),
        ((f"`{reason}`", meaning.means, meaning.do) for reason, meaning in MEANINGS.items()),
    )


def metric_table() -> str:
    """The collector's own metrics."""
    return markdown_table(
        ("Metric", "Labels", "Means"),
        ((f"`{m.name}`", ", ".join(f"`{label}`" for label in m.labels), f"{m.means}.") for m in METRICS),
    )


def setting_table() -> str:
    """Settings by environment variable."""
    return markdown_table(
        ("Setting", "Default", "Means"),
        (
            (f"`{row.variable}`", f"`{row.default}`" if row.default else "", row.description)
            for row in settings_table(CollectorSettings)
        ),
    )


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "collector problems": problem_table,
    "collector metrics": metric_table,
    "collector settings": setting_table,
}


if __name__ == "__main__":
    fill_named_files(TABLES)
