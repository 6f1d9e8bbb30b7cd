"""The real kubectl as tests use it: one command at a time, or one that goes on while its lines are read."""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PLACES = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
KUBECTL = shutil.which("kubectl", path=_PLACES) or "kubectl: not installed, see requirements/dev.in"
LIMIT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Runs kubectl with a kubeconfig and a home folder of its own."""

    environment: dict[str, str]

    def run(self, *arguments: str, stdin: str | None = None, fails: bool = False) -> str:
        """The output of a command that must succeed (or fail, and then it is what was said about it)."""
        done = subprocess.run(
            [KUBECTL, *arguments],
            input=stdin,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"kubectl {arguments}: {done.stdout}{done.stderr}"
        return done.stderr if fails else done.stdout

    def rows(self, *arguments: str) -> list[str]:
        """The lines of a table with single spaces between the cells."""
        return [" ".join(line.split()) for line in self.run("get", *arguments).splitlines()]

    def document(self, *arguments: str) -> dict[str, object]:
        """One object."""
        return dict(json.loads(self.run("get", *arguments, "-o", "json")))

    def set_status(self, kind: str, namespace: str, name: str, status: object) -> None:
        """Write a status, as a controller would."""
        patch = json.dumps({"status": status})
        self.run("patch", kind, "-n", namespace, name, "--subresource=status", "--type=merge", "-p", patch)


class Following:
    """A command that goes on; its lines arrive one by one."""

    def __init__(self, kubectl: Kubectl, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [KUBECTL, *arguments], env=kubectl.environment, stdout=subprocess.PIPE, text=True
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(LIMIT_SECONDS)
        self._reader.join(LIMIT_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(" ".join(line.split()))

    def next_line(self) -> str:
        return self._lines.get(timeout=LIMIT_SECONDS)

    def wait_for_end(self) -> int:
        return self._process.wait(LIMIT_SECONDS)
