"""Small parts of the control plane: programs, certificates, kubeconfigs, children, the audit log."""

import datetime as dt
import json
import signal
import stat
import sys
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from controlplane.audit import read_uses
from controlplane.certificates import Authority
from controlplane.children import Child, ChildFailedError, Children
from controlplane.kubeconfig import write_kubeconfig
from controlplane.probes import free_ports
from tools.programs import BIN, CORE, MissingProgramError, find_programs, tools_folders

NOW = dt.datetime(2025, 9, 4, 18, 37, tzinfo=dt.UTC)


def a_program(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch(mode=0o755)
    return folder


def test_programs_come_from_bin_unless_a_variable_names_folders(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"

    assert tools_folders({}) == (BIN,)
    assert tools_folders({"INFERNO_TOOLS": f"{one}:{two}"}) == (one, two)
    assert tools_folders({"INFERNO_TOOLS": str(one), "KUBEBUILDER_ASSETS": str(two)}) == (one,)


def test_programs_of_envtest_are_used_beside_those_of_bin(tmp_path: Path) -> None:
    assets = a_program(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")
    ours = a_program(tmp_path / "bin", "etcd", "kube-controller-manager")
    assert tools_folders({"KUBEBUILDER_ASSETS": str(assets)}) == (assets, BIN)

    found = find_programs(CORE, (assets, ours))

    assert {name: path.parent for name, path in found.items()} == {
        "etcd": assets,
        "kube-apiserver": assets,
        "kube-controller-manager": ours,
        "kubectl": assets,
    }


def test_missing_programs_are_named_with_what_to_do(tmp_path: Path) -> None:
    folder = a_program(tmp_path / "tools", "etcd")

    with pytest.raises(MissingProgramError, match=r"kubectl, thanos not found in .*: run `make tools`"):
        find_programs(("etcd", "kubectl", "thanos"), (folder,))


def test_an_authority_signs_servers_and_clients(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path, "ca", NOW)

    pair = authority.issue("admin", "admin", groups=("system:masters",), hosts=("localhost", "127.0.0.1"))

    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    certificate.verify_directly_issued_by(authority.certificate)
    assert certificate.subject.rfc4514_string() == "CN=admin,O=system:masters"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600


def test_a_kubeconfig_names_a_token_file_for_an_account(tmp_path: Path) -> None:
    path = write_kubeconfig(
        tmp_path / "config",
        server="https://127.0.0.1:1",
        authority=tmp_path / "ca.crt",
        user=tmp_path / "token",
    )

    assert yaml.safe_load(path.read_text())["users"][0]["user"] == {"tokenFile": str(tmp_path / "token")}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_child_that_ends_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Children(tmp_path, {}) as children:
        child = children.start(
            "broken",
            [sys.executable, "-c", "print('no such disk'); raise SystemExit(3)"],
            ready=lambda: False,
        )
        with pytest.raises(ChildFailedError, match=r"(?s)broken ended with code 3.*no such disk"):
            child.wait_until_ready()


def test_a_child_that_is_not_ready_in_time_is_reported(tmp_path: Path) -> None:
    child = Child(
        "slow", [sys.executable, "-c", "input()"], tmp_path / "slow.log", {}, lambda: False, ready_seconds=0.2
    )
    (tmp_path / "slow.log").touch()
    with Children(tmp_path, {}, {"slow": child}):
        child.command = [sys.executable, "-c", "import signal; signal.pause()"]
        child.start()
        with pytest.raises(ChildFailedError, match=r"slow not ready within 0.2 s"):
            child.wait_until_ready()
        process = child.process

    assert process is not None
    assert process.poll() == -signal.SIGTERM


def test_uses_of_rights_are_read_from_the_audit_log(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    event = {
        "verb": "patch",
        "user": {"username": "system:serviceaccount:inferno:actuator"},
        "objectRef": {
            "resource": "variantautoscalings",
            "subresource": "status",
            "apiGroup": "llmd.ai",
            "namespace": "llm-d-sim",
        },
        "annotations": {"authorization.k8s.io/decision": "forbid"},
    }
    stranger = {**event, "user": {"username": "system:serviceaccount:other:actuator"}}
    log.write_text("\n".join(json.dumps(entry) for entry in (event, event, stranger)))

    (use,) = read_uses(log, "inferno")

    assert (use.account, use.verb, use.resource) == ("actuator", "patch", "variantautoscalings/status")
    assert not use.allowed
