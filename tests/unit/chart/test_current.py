"""What is made from the chart is current, and its values are documented and checked: without helm."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart.paths import CHART, CONFIG, COPIES, ROOT, STAMP, fingerprint
from inferno_shared.version import __version__

VALUES = (CHART / "values.yaml").read_text()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# Said once for all three services, or what Kubernetes itself says.
COMMON = {
    *("resources", "requests", "limits", "priorityClassName", "nodeSelector", "tolerations", "affinity"),
    *("serviceAccountAnnotations", "minReplicas", "maxReplicas", "versionPriority"),
}


def test_what_is_made_from_the_chart_was_made_from_this_chart() -> None:
    assert STAMP.read_text().strip() == fingerprint(), "the chart has changed: run `make chart`"


@pytest.mark.parametrize("source", COPIES, ids=lambda path: path.name)
def test_the_chart_has_the_files_that_users_of_the_guide_apply(source: Path) -> None:
    assert COPIES[source].read_text() == source.read_text(), "run `make chart`"


def test_the_version_is_the_products() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_the_guides_configmap_and_the_charts_values_have_the_same_keys() -> None:
    guide = yaml.safe_load((CONFIG / "manager/configmap.yaml").read_text())["data"]
    chart = yaml.safe_load(VALUES)["config"]
    assert {**chart, "PROMETHEUS_BASE_URL": guide["PROMETHEUS_BASE_URL"]} == guide


def keys(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from keys(value, (*path, key))


def test_every_value_is_in_the_schema() -> None:
    for path in keys(yaml.safe_load(VALUES)):
        schema = SCHEMA
        for key in path:
            if "properties" not in schema:  # free, as Kubernetes checks it
                break
            assert key in schema["properties"], ".".join(path)
            schema = schema["properties"][key]


def test_every_property_of_the_schema_has_a_default_in_the_values() -> None:
    known = set(keys(yaml.safe_load(VALUES)))

    def properties(schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        for key, inner in schema.get("properties", {}).items():
            yield (*path, key)
            yield from properties(inner, (*path, key))

    free = {("global",), ("tls", "certManager", "issuerRef")}
    missing = [
        path for path in properties(SCHEMA) if path not in known and path[:3] not in free | {("global",)}
    ]
    assert missing == []


def test_every_value_has_a_comment_above_it() -> None:
    bare, commented = [], False
    for line in VALUES.splitlines():
        found = re.match(r"^( *)([A-Za-z]\w*):(.*)$", line)
        if found and not commented and found[3].strip() and found[2] not in COMMON:
            bare.append(line.strip())
        commented = line.lstrip().startswith("#")
    assert bare == []


def test_the_readme_of_the_chart_names_files_that_exist() -> None:
    text = (CHART / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (CHART / target).resolve().exists(), target
    assert "charts/inferno-autoscaler" in text
    assert (ROOT / "charts/inferno-autoscaler") == CHART
