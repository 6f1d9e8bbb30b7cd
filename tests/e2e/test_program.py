"""`python -m controlplane` leaves nothing behind, however it ends, and says what is missing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from e2e.clusters import ROOT, until

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "hack"), "PYTHONUNBUFFERED": "1"}
START_SECONDS = 60.0


def a_program(folder: Path, *words: str, **variables: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "controlplane", "--kubeconfig", str(folder / "kubeconfig"), *words]
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, **variables},
            preexec_fn=_hear_interrupts,  # noqa: PLW1509 - no threads here that hold locks
        )


def _hear_interrupts() -> None:
    """What a shell starts in the background is deaf to SIGINT, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def output(folder: Path) -> str:
    return (folder / "output").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_program_ends(tmp_path: Path, number: signal.Signals) -> None:
    program = a_program(tmp_path, "--without-monitoring", "--folder", str(tmp_path / "data"))
    until(lambda: "Ctrl-C stops everything" in output(tmp_path), seconds=START_SECONDS, why="it is up")
    children = psutil.Process(program.pid).children(recursive=True)

    program.send_signal(number)
    program.wait(START_SECONDS)
    _, alive = psutil.wait_procs(children, timeout=START_SECONDS)

    assert len(children) >= 5
    assert alive == []


def test_a_missing_program_is_named_with_what_to_do(tmp_path: Path) -> None:
    program = a_program(tmp_path, INFERNO_TOOLS=str(tmp_path))

    assert program.wait(START_SECONDS) == 1
    assert "etcd, kube-apiserver, kube-controller-manager, kubectl, prometheus, thanos not found" in output(
        tmp_path
    )
    assert "make tools" in output(tmp_path)
