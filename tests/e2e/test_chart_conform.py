"""Every rendering of the chart is valid, strictly, in each version of Kubernetes that it is for."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from chart.conform import KUBERNETES, checks, conform, schemas_of
from chart.documents import documents
from chart.helm import CASES, Case, template
from chart.paths import CHART


def test_every_case_is_valid_in_every_version() -> None:
    said = dict(checks())
    assert len(said) == len(KUBERNETES) * len(CASES)
    wrong = {name: done.stdout + done.stderr for name, done in said.items() if done.returncode}
    assert wrong == {}
    assert all("Skipped: 0" in done.stdout for done in said.values())


def switches(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Every boolean of the values by its name, turned round."""
    for key, value in values.items():
        if isinstance(value, bool):
            yield ".".join((*path, key)), str(not value).lower()
        elif isinstance(value, dict):
            yield from switches(value, (*path, key))


def test_whatever_is_switched_on_or_off_leaves_a_valid_installation() -> None:
    turned = list(switches(yaml.safe_load((CHART / "values.yaml").read_text())))
    assert ("authorization.enabled", "false") in turned
    assert ("dashboards.enabled", "true") in turned
    with schemas_of(KUBERNETES[-1]) as schemas:
        for platform in CASES[:2]:
            for name, value in turned:
                text = template(Case(name, platform.apis, {name: value}))
                said = conform(text, schemas)
                assert said.returncode == 0, (platform.name, name, said.stdout)
                objects = [
                    (it["kind"], it["metadata"].get("namespace"), it["metadata"]["name"])
                    for it in documents(text)
                ]
                assert len(objects) == len(set(objects)), (platform.name, name)
