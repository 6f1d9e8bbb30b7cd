"""What compose.yaml promises, read from its text; docs/install-compose.md says how it was started."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

import compose.certificates
from chart.paths import ROOT
from compose.install import ACCOUNTS, SYSTEM
from controlplane.core import CONTROLLERS

FILE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = FILE["services"]
GUIDES_LOAD = "--model Qwen/Qwen3-0.6B --rate '[[180, 50]]' --content 150"


def test_images_are_pinned_or_built_here() -> None:
    for name, service in SERVICES.items():
        image = service["image"]
        assert re.search(r":(v?\d[\w.]*|\$\{TAG:-dev\})$", image), name
        assert ("build" in service) == image.endswith("${TAG:-dev}"), name


def test_nothing_outside_of_the_checkout_is_mounted_and_nothing_that_matters_is_kept() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert source == "state" or (ROOT / source).exists(), mount
            assert source == "state" or mount.endswith(":ro"), mount
    assert list(FILE["volumes"]) == ["state"]


def test_prometheus_reads_the_charts_rules_and_gives_every_target_a_namespace() -> None:
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["prometheus"]["volumes"])
    settings = yaml.safe_load((ROOT / "hack/compose/prometheus.yml").read_text())
    assert settings["rule_files"] == [f"{mounts['./charts/inferno-autoscaler/rules']}/*.yaml"]
    fixed = [it for job in settings["scrape_configs"] for it in job.get("static_configs", [])]
    assert [it["labels"] for it in fixed] == [{"namespace": SYSTEM}] * 2


def test_everything_is_in_one_network_whose_ports_are_for_this_machine_only() -> None:
    ports = SERVICES["network"]["ports"]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    inside = {service.get("network_mode") for name, service in SERVICES.items() if name != "network"}
    assert inside == {"service:network"}


def test_our_services_need_no_capability_and_no_writable_file() -> None:
    for name in ("collector", "optimizer", "actuator"):
        service = SERVICES[name]
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert "healthcheck" in service


def test_every_dependency_is_there_and_there_is_no_cycle() -> None:
    seen: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, (*path, name)
        for needed in SERVICES[name].get("depends_on", {}):
            visit(needed, (*path, name))
        seen.append(name)

    for name in SERVICES:
        visit(name, ())
    assert set(seen) == set(SERVICES)


def test_every_file_of_the_control_plane_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["certificates", str(tmp_path)])
    compose.certificates.main()
    first = (tmp_path / "certificates/ca.crt").read_bytes()
    compose.certificates.main()
    assert (tmp_path / "certificates/ca.crt").read_bytes() == first
    wanted = set(
        re.findall(r"/state/((?:certificates/)?[\w.-]+\.(?:crt|key|pub|kubeconfig))", yaml.dump(SERVICES))
    )
    assert len(wanted) > 10
    assert [name for name in wanted if not (tmp_path / name).is_file()] == []


def test_every_account_of_a_service_gets_its_kubeconfig() -> None:
    wanted = set(re.findall(r"/state/accounts/(\w+)\.kubeconfig", yaml.dump(SERVICES)))
    assert wanted == set(ACCOUNTS)


def test_the_controllers_of_the_tests_run_here_too() -> None:
    command = SERVICES["kube-controller-manager"]["command"]
    (flag,) = [word for word in command if word.startswith("--controllers=")]
    assert set(CONTROLLERS) <= set(flag.removeprefix("--controllers=").split(","))


def test_the_load_is_the_guides() -> None:
    command = SERVICES["load"]["command"]
    assert SERVICES["load"]["profiles"] == ["load"]
    for word in shlex.split(GUIDES_LOAD):
        assert word in command
