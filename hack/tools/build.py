"""`make tools`: builds the pinned programs of `make e2e` into bin/, each only if it is not there yet.

Every program is a Go module of ours (hack/tools/NAME/go.mod, go.sum) that requires the upstream one, so
versions and hashes are locked. Two modules are built at a time: while one is fetched or linked, the other
compiles. Programs that people have are taken from there (`tools.programs`).
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tools.programs import BIN, VARIABLE, find_program, given_folders

HERE = Path(__file__).parent
BUILD_SECONDS = 3600
AT_A_TIME = 2
SHOWN_LINES = 20


class BuildError(Exception):
    """Go refused; the message is the end of what it printed."""


@dataclass(frozen=True, eq=False)
class Module:
    """One go.mod of ours and the programs that it builds (binary name -> package).

    Not `wanted`: built only when it is named.
    """

    folder: str
    version: str
    packages: Mapping[str, str]
    tags: str = ""
    link_flags: str = ""
    wanted: bool = True

    @property
    def stamp(self) -> Path:
        """Says which version the binaries in bin/ were built from."""
        return BIN / f".{self.folder}-{self.version}"

    def missing(self, folders: tuple[Path, ...]) -> list[str]:
        """The programs to be built: those that neither `folders` nor, in this version, bin/ has."""
        here = (*folders, BIN) if self.stamp.exists() else folders
        return [name for name in self.packages if find_program(name, here) is None]


def _commands(prefix: str, *names: str) -> dict[str, str]:
    return {name: f"{prefix}/cmd/{name}" for name in names}


KUBERNETES = "v1.36.3"
_VERSION = "k8s.io/component-base/version"
# Those that take longest come first.
MODULES = (
    Module(
        "kubernetes",
        KUBERNETES,
        _commands("k8s.io/kubernetes", "kube-apiserver", "kube-controller-manager", "kubectl"),
        link_flags=f"-X {_VERSION}.gitVersion={KUBERNETES} "
        f"-X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=36",
    ),
    # Targets come from files: the clients of all clouds, 243 of 1,527 packages, are not needed.
    Module(
        "prometheus",
        "v0.316.0",
        _commands("github.com/prometheus/prometheus", "prometheus", "promtool"),
        tags="netgo,remove_all_sd",
    ),
    # Without slicelabels the sidecar panics on its first gRPC call.
    Module("thanos", "v0.42.4", _commands("github.com/thanos-io/thanos", "thanos"), "netgo,slicelabels"),
    Module("helm", "v3.22.0", _commands("helm.sh/helm/v3", "helm")),
    Module("etcd", "v3.6.8", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Module("kubeconform", "v0.8.0", _commands("github.com/yannh/kubeconform", "kubeconform")),
    Module(
        "keda",
        "v2.21.0",
        {
            "keda-operator": "github.com/kedacore/keda/v2/cmd/operator",
            "keda-metrics-apiserver": "github.com/kedacore/keda/v2/cmd/adapter",
        },
        wanted=False,
    ),
)


def build(module: Module, names: list[str]) -> float:
    """Build these programs of the module into bin/; return the seconds it took. Raises BuildError."""
    started = time.monotonic()
    for name in names:
        command = ["go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", str(BIN / name)]
        command += ["-tags", module.tags] if module.tags else []
        # Nobody debugs them: what a debugger needs is neither compiled nor linked.
        command += ["-gcflags", "all=-dwarf=false", "-ldflags", f"-s -w {module.link_flags}".strip()]
        done = subprocess.run(
            [*command, module.packages[name]],
            cwd=HERE / module.folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            env={**os.environ, "CGO_ENABLED": "0"},
        )
        if done.returncode:
            end = "\n".join(done.stderr.splitlines()[-SHOWN_LINES:])
            raise BuildError(f"{name} could not be built in {HERE / module.folder}:\n{end}")
    for old in BIN.glob(f".{module.folder}-*"):
        old.unlink()
    module.stamp.touch()
    return time.monotonic() - started


def main() -> int:
    """Build what is missing, telling progress."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"only these: {', '.join(m.folder for m in MODULES)}")
    named = parser.parse_args().names
    if os.environ.get(VARIABLE):
        print(f"Using the programs in {os.environ[VARIABLE]} ({VARIABLE}); nothing is built.")
        return 0
    folders = given_folders()
    chosen = [module for module in MODULES if (module.folder in named if named else module.wanted)]
    todo = {module: names for module in chosen if (names := module.missing(folders))}
    if not todo:
        print("The tools are there: " + ", ".join(name for module in chosen for name in module.packages))
        return 0
    if shutil.which("go") is None:
        print(
            "Go 1.26 or later is needed to build the tools of `make e2e` (https://go.dev/dl), or set\n"
            f"{VARIABLE} to a folder that has: {', '.join(name for names in todo.values() for name in names)}"
        )
        return 1
    return _build_all(todo)


def _build_all(todo: Mapping[Module, list[str]]) -> int:
    BIN.mkdir(exist_ok=True)
    count = sum(len(names) for names in todo.values())
    print(f"Building {count} programs into {BIN} (once; about 15 minutes for all on 2 cores) …", flush=True)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        running = {pool.submit(build, module, names): module for module, names in todo.items()}
        for done in as_completed(running):
            module = running[done]
            try:
                seconds = done.result()
            except (BuildError, subprocess.TimeoutExpired) as error:
                pool.shutdown(wait=False, cancel_futures=True)
                print(f"error: {error}\nIf the network was the reason, run `make tools` again.")
                return 1
            print(f"  {', '.join(todo[module])} {module.version}: built in {seconds:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
