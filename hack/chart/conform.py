"""`python -m chart.conform`: every case of the chart against the schemas of several Kubernetes versions.

The schemas are made from Go modules (Kubernetes, the Prometheus operator, cert-manager), which
`go mod download` fetches once.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from chart.helm import CASES, template
from chart.schemas import Schema, custom_schemas, kubernetes_schemas
from tools.programs import find_programs

KUBERNETES = ("v1.25.16", "v1.29.15", "v1.33.5", "v1.36.3")
OPERATORS = {
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    "github.com/cert-manager/cert-manager@v1.18.2": (
        "deploy/crds/crd-certificates.yaml",
        "deploy/crds/crd-issuers.yaml",
    ),
}
DOWNLOAD_SECONDS = 600
CHECK_SECONDS = 120
LOCATION = "{{ .Group }}_{{ .ResourceKind }}_{{ .ResourceAPIVersion }}.json"


def main() -> int:
    """Check all versions; return the exit status."""
    failed = False
    for name, said in checks():
        failed |= said.returncode != 0
        print(f"{name}: {said.stdout.strip() or said.stderr.strip()}")
    return int(failed)


def checks() -> Iterator[tuple[str, subprocess.CompletedProcess[str]]]:
    """For each version and case: its name and what kubeconform says."""
    for version in KUBERNETES:
        with schemas_of(version) as folder:
            for case in CASES:
                text = template(case, kubernetes=version.removeprefix("v"))
                yield f"{version} {case.name}", conform(text, folder)


@contextmanager
def schemas_of(version: str) -> Iterator[Path]:
    """A folder with the schemas of a Kubernetes version and of the operators' kinds."""
    openapi = json.loads(_read(f"k8s.io/kubernetes@{version}", "api/openapi-spec/swagger.json"))
    operators = [pair for module, paths in OPERATORS.items() for pair in _custom(module, paths)]
    with tempfile.TemporaryDirectory(prefix="chart-schemas-") as place:
        for name, schema in [*kubernetes_schemas(openapi), *operators]:
            Path(place, name).write_text(json.dumps(schema))
        yield Path(place)


def conform(text: str, schemas: Path) -> subprocess.CompletedProcess[str]:
    """What kubeconform says about these documents with the schemas of a folder."""
    program = find_programs(("kubeconform",))["kubeconform"]
    return subprocess.run(
        [program, "-strict", "-summary", "-schema-location", f"{schemas}/{LOCATION}", "-"],
        input=text,
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS,
        check=False,
    )


def _custom(module: str, paths: tuple[str, ...]) -> Iterator[tuple[str, Schema]]:
    for path in paths:
        for definition in yaml.safe_load_all(_read(module, path)):
            yield from custom_schemas(definition)


def _read(module: str, path: str) -> str:
    """A file of a Go module's archive."""
    with tempfile.TemporaryDirectory() as nowhere:
        done = subprocess.run(
            ["go", "mod", "download", "-json", module],
            cwd=nowhere,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            check=False,
        )
    if done.returncode:
        sys.exit(f"go mod download {module}: {done.stdout.strip()} {done.stderr.strip()}")
    with zipfile.ZipFile(json.loads(done.stdout)["Zip"]) as archive:
        return archive.read(f"{module}/{path}").decode()


if __name__ == "__main__":
    sys.exit(main())
