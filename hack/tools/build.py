"""`make tools`: builds the pinned programs of `make e2e` into bin/, each only if it is not there yet.

Every program is a Go module of ours (hack/tools/NAME/go.mod, go.sum) that requires the upstream one, so
versions and hashes are locked. Needs only Go and Python. To use binaries that you have, set INFERNO_TOOLS to
their folder.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
BIN = HERE.parents[1] / "bin"
BUILD_SECONDS = 2400


@dataclass(frozen=True)
class Module:
    """One go.mod of ours and the programs that it builds (binary name -> package)."""

    folder: str
    version: str
    packages: tuple[tuple[str, str], ...]
    tags: str = ""
    link_flags: str = ""

    @property
    def stamp(self) -> Path:
        """Says which version the binaries in bin/ were built from."""
        return BIN / f".{self.folder}-{self.version}"


KUBERNETES = "v1.36.3"
_VERSION = "k8s.io/component-base/version"
MODULES = (
    Module("etcd", "v3.6.8", (("etcd", "go.etcd.io/etcd/server/v3"),)),
    Module(
        "kubernetes",
        KUBERNETES,
        tuple(
            (name, f"k8s.io/kubernetes/cmd/{name}")
            for name in ("kube-apiserver", "kube-controller-manager", "kubectl")
        ),
        link_flags=f"-X {_VERSION}.gitVersion={KUBERNETES} "
        f"-X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=36",
    ),
    Module("helm", "v3.22.0", (("helm", "helm.sh/helm/v3/cmd/helm"),)),
    Module("kubeconform", "v0.8.0", (("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform"),)),
    Module(
        "prometheus",
        "v0.316.0",
        tuple((name, f"github.com/prometheus/prometheus/cmd/{name}") for name in ("prometheus", "promtool")),
    ),
    # Without slicelabels the sidecar panics on its first gRPC call.
    Module(
        "thanos", "v0.42.4", (("thanos", "github.com/thanos-io/thanos/cmd/thanos"),), tags="netgo,slicelabels"
    ),
)


def build(module: Module) -> float:
    """Build the module's programs into bin/; return the seconds it took, 0 if they were there."""
    if module.stamp.exists() and all((BIN / name).exists() for name, _ in module.packages):
        return 0.0
    started = time.monotonic()
    for name, package in module.packages:
        command = ["go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", str(BIN / name)]
        command += ["-tags", module.tags] if module.tags else []
        command += ["-ldflags", f"-s -w {module.link_flags}".strip(), package]
        subprocess.run(
            command,
            cwd=HERE / module.folder,
            check=True,
            timeout=BUILD_SECONDS,
            env={**os.environ, "CGO_ENABLED": "0"},
        )
    for old in BIN.glob(f".{module.folder}-*"):
        old.unlink()
    module.stamp.touch()
    return time.monotonic() - started


def main() -> int:
    """Build everything, telling progress."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help=f"only these: {', '.join(m.folder for m in MODULES)}")
    wanted = parser.parse_args().names
    if os.environ.get("INFERNO_TOOLS"):
        print(f"Using the programs in {os.environ['INFERNO_TOOLS']} (INFERNO_TOOLS); nothing is built.")
        return 0
    if shutil.which("go") is None:
        print(
            "Go 1.26 or later is needed to build the tools of `make e2e`,"
            " or set INFERNO_TOOLS to a folder that has them."
        )
        return 1
    BIN.mkdir(exist_ok=True)
    for module in MODULES:
        if wanted and module.folder not in wanted:
            continue
        names = ", ".join(name for name, _ in module.packages)
        print(f"  {module.folder} {module.version} ({names}) … ", end="", flush=True)
        seconds = build(module)
        print(f"built in {seconds:.0f} s" if seconds else "already there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
