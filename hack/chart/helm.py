"""Runs the real helm, without a cluster: `helm template` of one case, and `helm lint`."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chart.paths import CHART
from tools.programs import find_programs

RELEASE = "inferno-autoscaler"
NAMESPACE = "inferno-autoscaler-system"
KUBERNETES = "1.33.0"
HELM_SECONDS = 120
OPENSHIFT_APIS = (
    "route.openshift.io/v1",
    "security.openshift.io/v1",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
)


class HelmError(Exception):
    """helm refused; the message is what it printed."""


@dataclass(frozen=True)
class Case:
    """What is rendered: the APIs that the cluster would have, and values as `--set` takes them."""

    name: str
    apis: Sequence[str] = ()
    values: Mapping[str, str] = field(default_factory=dict)


CASES = (
    Case("openshift", OPENSHIFT_APIS),
    Case("kubernetes"),
    Case("cert-manager", ("cert-manager.io/v1", "monitoring.coreos.com/v1/ServiceMonitor")),
    Case(
        "external-metrics",
        values={
            "externalMetrics.enabled": "true",
            "actuator.directScaling.enabled": "true",
            "optimizer.autoscaling.enabled": "true",
            "priorityClassName": "system-cluster-critical",
        },
    ),
    Case(
        "two-namespaces",
        OPENSHIFT_APIS,
        {"watchNamespaces": "{llm-a,llm-b}", "collector.loadSource": "scrape", "tls.mode": "existing"},
    ),
)


def helm(*arguments: str | Path) -> str:
    """What helm prints. Raises HelmError, and MissingProgramError when there is no helm."""
    program = find_programs(("helm",))["helm"]
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=HELM_SECONDS, check=False
    )
    if done.returncode:
        raise HelmError(f"helm {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout


def template(case: Case, *, kubernetes: str = KUBERNETES) -> str:
    """Every object of the case as YAML documents."""
    words: list[str | Path] = [
        "template",
        RELEASE,
        CHART,
        "--namespace",
        NAMESPACE,
        "--kube-version",
        kubernetes,
    ]
    for api in case.apis:
        words += ["--api-versions", api]
    for name, value in case.values.items():
        words += ["--set", f"{name}={value}"]
    return helm(*words)
