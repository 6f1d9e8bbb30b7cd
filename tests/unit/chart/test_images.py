"""What the Dockerfile promises, read from its text; `make images` builds it."""

import re

import pytest

from chart.paths import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTALL = (ROOT / "hack/images/install").read_text()
SERVICES = ("actuator", "collector", "optimizer")


def test_requirements_are_installed_by_hash_and_never_built() -> None:
    commands = re.findall(r"pip install (?:[^\n]*\\\n)*[^\n]*", DOCKERFILE + INSTALL)
    assert len(commands) == 2
    for command in commands:
        assert "--require-hashes" in command
        assert "--only-binary :all:" in command


@pytest.mark.parametrize("name", [*SERVICES, "devcluster"])
def test_every_requirement_is_pinned_and_has_a_hash(name: str) -> None:
    text = re.sub(r"\\\n\s*", " ", (ROOT / f"requirements/{name}.txt").read_text())
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert "==" in line, line
        assert "--hash=sha256:" in line, line
    assert "--index-url" not in text


def test_images_run_as_a_number_without_healthcheck_and_with_labels() -> None:
    instructions = [line.split()[0] for line in DOCKERFILE.splitlines() if re.match(r"^[A-Z]+ ", line)]
    assert "HEALTHCHECK" not in instructions
    assert set(re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)) == {"65532:0"}
    for label in ("title", "description", "version", "revision", "created", "licenses"):
        assert f"org.opencontainers.image.{label}=" in DOCKERFILE


def test_each_service_takes_its_own_requirements_and_sources_only() -> None:
    for service in SERVICES:
        stage = re.search(rf"AS {service}-files\n(.*?)\n\n", DOCKERFILE, re.DOTALL)
        assert stage is not None
        assert re.findall(r"requirements/(\w+)\.txt", stage[1]) == [service]
        assert set(re.findall(r"services/(\w+)/src", stage[1])) == {service}
