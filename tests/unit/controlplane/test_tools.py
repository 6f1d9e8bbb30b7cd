"""`make tools`: what is built, what is left alone, and what is said where it cannot be built."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import build
from tools.build import MODULES, BuildError, Module
from tools.programs import ASSETS_VARIABLE, ROOT, VARIABLE


def run(**variables: str) -> subprocess.CompletedProcess[str]:
    """The program with nothing else in its environment than this."""
    return subprocess.run(
        [sys.executable, "-m", "tools.build", "keda"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT / "hack"), **variables},
    )


def test_without_go_it_says_what_to_install_or_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "BIN", tmp_path / "bin")
    monkeypatch.setattr(sys, "argv", ["tools.build", "keda"])
    monkeypatch.setenv("PATH", "/nonexistent")
    for variable in (VARIABLE, ASSETS_VARIABLE):
        monkeypatch.delenv(variable, raising=False)

    assert build.main() == 1
    told = capsys.readouterr().out
    assert "Go 1.26 or later is needed" in told
    assert "INFERNO_TOOLS to a folder that has: keda-operator, keda-metrics-apiserver" in told


def test_nothing_is_built_where_people_have_the_programs() -> None:
    done = run(PATH="/nonexistent", INFERNO_TOOLS="/usr/bin")

    assert done.returncode == 0
    assert "Using the programs in /usr/bin (INFERNO_TOOLS); nothing is built." in done.stdout


def test_of_a_module_only_what_is_missing_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "BIN", tmp_path / "bin")
    kubernetes = MODULES[0]
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (assets / name).touch(mode=0o755)

    assert kubernetes.missing(()) == ["kube-apiserver", "kube-controller-manager", "kubectl"]
    assert kubernetes.missing((assets,)) == ["kube-controller-manager"]


def test_programs_of_another_version_are_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "BIN", tmp_path)
    module = Module("etcd", "v2", {"etcd": "example.com/etcd"})
    (tmp_path / "etcd").touch(mode=0o755)
    (tmp_path / ".etcd-v1").touch()
    assert module.missing(()) == ["etcd"]

    module.stamp.touch()

    assert module.missing(()) == []


def test_what_go_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "BIN", tmp_path)
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho 'no required module provides package' >&2\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    with pytest.raises(BuildError, match=r"etcd could not be built in .*\nno required module"):
        build.build(next(module for module in MODULES if module.folder == "etcd"), ["etcd"])
