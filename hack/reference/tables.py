"""Metrics and settings of the three services."""

from collections.abc import Iterator, Sequence

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from inferno_actuator.reference import metrics as actuator_metrics
from inferno_actuator.settings import ActuatorSettings
from inferno_collector.gauges import CollectorGauges
from inferno_collector.settings import CollectorSettings
from inferno_optimizer.settings import OptimizerSettings
from inferno_shared.service import ServiceSettings, settings_table
from inferno_shared.service.settings import SettingRow
from inferno_shared.service.tls.server import TlsGauges
from reference.markdown import code, table

_HEAD = ("Metric", "Kind", "Labels", "Means")
Row = Sequence[str]


def metrics_page(optimizer: FastAPI) -> str:
    """Every metric of every service."""
    collector, tls = CollectorRegistry(auto_describe=True), CollectorRegistry(auto_describe=True)
    CollectorGauges(collector, "prometheus")
    TlsGauges(tls)
    own = list(_described(optimizer.state.registry))
    shared = [row for row in own if "inferno_optimizer" not in row[0]]
    actuator = [
        (code(it.name), "", ", ".join(code(label) for label in it.labels), f"{it.help}.")
        for it in actuator_metrics()
    ]
    return "\n\n".join(
        [
            "# Metrics",
            (
                "Served by each service at `/metrics`. `inferno_desired_replicas` is what an HPA reads; it "
                "has one series per variant, and none from a plan that is too old."
            ),
            "## Actuator",
            table(
                ("Metric", "Labels", "Means"), ((name, labels, means) for name, _, labels, means in actuator)
            ),
            "## Collector",
            table(_HEAD, _described(collector)),
            "## Optimizer",
            table(_HEAD, (row for row in own if row not in shared)),
            "## Every service",
            table(_HEAD, [*shared, *_described(tls)]),
        ]
    )


def _described(registry: CollectorRegistry) -> Iterator[Row]:
    labelled = {
        family: getattr(collector, "_labelnames", ())  # prometheus_client tells the labels only with values
        for collector, names in registry._collector_to_names.items()  # noqa: SLF001 - the same
        for family in names
    }
    for family in sorted(registry.collect(), key=lambda it: it.name):
        labels = labelled.get(family.name) or [
            label for sample in family.samples[:1] for label in sample.labels if label != "le"
        ]
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield code(name), family.type, ", ".join(map(code, labels)), f"{family.documentation.rstrip('.')}."


def settings_page() -> str:
    """Every environment variable of every service."""
    common = settings_table(ServiceSettings)
    known = {row.variable for row in common}
    parts = [
        "# Settings",
        (
            "Environment variables, checked at the start: every wrong one is named at once, with what to do. "
            "A list is written with commas."
        ),
        "## Every service",
        _settings(common),
    ]
    for title, cls in (
        ("Collector", CollectorSettings),
        ("Optimizer", OptimizerSettings),
        ("Actuator", ActuatorSettings),
    ):
        parts += [f"## {title}", _settings([row for row in settings_table(cls) if row.variable not in known])]
    return "\n\n".join(parts)


def _settings(rows: Sequence[SettingRow]) -> str:
    return table(
        ("Variable", "Default", "Means"),
        ((code(row.variable), _default(row), row.description) for row in rows),
    )


def _default(row: SettingRow) -> str:
    """As code; an identity's is that of the machine that it is read on."""
    return "host name and process id" if row.variable == "INFERNO_IDENTITY" else code(row.default)
