"""What the guide's values file of the Prometheus adapter becomes, and what is said when it cannot be used."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.children import ChildFailedError, Children
from e2e.adapter import VALUES, Place, adapter_arguments, adapter_configuration, check_adapter, stand_in
from e2e.clusters import until

PLACE = Place(
    prometheus_url="https://127.0.0.1:9091",
    ca_file=Path("/ca.crt"),
    token_file=Path("/token"),
    kubeconfig=Path("/kubeconfig"),
    certificate=Path("/tls.crt"),
    key=Path("/tls.key"),
    port=6443,
)


def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(VALUES.read_text())
    return found


def test_the_guides_values_become_the_adapters_arguments_and_rules() -> None:
    assert adapter_arguments(values(), Path("/adapter.yaml"), PLACE) == [
        "--secure-port=6443",
        "--bind-address=127.0.0.1",
        "--tls-cert-file=/tls.crt",
        "--tls-private-key-file=/tls.key",
        "--prometheus-url=https://127.0.0.1:9091",
        "--metrics-relist-interval=5s",
        "--v=4",
        "--config=/adapter.yaml",
        "--prometheus-ca-file=/ca.crt",
        "--prometheus-token-file=/token",
        "--lister-kubeconfig=/kubeconfig",
        "--authentication-kubeconfig=/kubeconfig",
        "--authorization-kubeconfig=/kubeconfig",
    ]
    (rule,) = adapter_configuration(values())["externalRules"]
    assert rule["metricsQuery"] == "inferno_desired_replicas{<<.LabelMatchers>>}"


def test_an_argument_with_an_unknown_file_is_named() -> None:
    changed = {**values(), "extraArguments": ["--prometheus-client-tls-cert-file=/etc/tls.crt"]}
    with pytest.raises(ValueError, match="no file on this machine for --prometheus-client-tls-cert-file"):
        adapter_arguments(changed, Path("/adapter.yaml"), PLACE)


@pytest.mark.parametrize("kind", ["missing", "not executable", "a folder"])
def test_an_adapter_that_is_none_is_told_with_what_to_do(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "adapter"
    if kind == "not executable":
        path.touch(mode=0o600)
    elif kind == "a folder":
        path.mkdir()
    with pytest.raises(ValueError, match=rf"ADAPTER={path} is not a program: give the path of"):
        check_adapter(str(path))


def started(folder: Path, configuration: str, *more: str) -> str:
    """How the adapter ended."""
    file = folder / "adapter.yaml"
    file.write_text(configuration)
    with Children(folder, {}) as children:
        command = [stand_in(folder), *adapter_arguments(values(), file, PLACE), *more]
        child = children.start("prometheus-adapter", command, ready=lambda: False)
        until(child.ended, why="the adapter's end")
        with pytest.raises(ChildFailedError) as told:
            child.wait_until_ready()
    return str(told.value)


def test_an_adapter_that_refuses_its_configuration_is_quoted(tmp_path: Path) -> None:
    told = started(tmp_path, "external: []")

    assert "prometheus-adapter ended with code 1" in told
    assert "field external not found" in told


def test_an_adapter_that_refuses_an_argument_is_quoted(tmp_path: Path) -> None:
    told = started(tmp_path, "externalRules: []", "--prometheus-tokenfile=/token")

    assert "prometheus-adapter ended with code 2" in told
    assert "unrecognized arguments: --prometheus-tokenfile=/token" in told
