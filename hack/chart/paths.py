"""Where the chart is, what is copied into it, and what is made from it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "charts/inferno-autoscaler"
CONFIG: Final = ROOT / "config"
GOLDEN: Final = ROOT / "tests/unit/chart/golden"
STAMP: Final = Path(__file__).parent / "rendered.sha256"

# Their sources are the files that users of the guide apply.
COPIES: Final = {
    CONFIG / "crd/llmd.ai_variantautoscalings.yaml": CHART / "files/crd.yaml",
    CONFIG / "samples/prometheus-adapter-values.yaml": CHART / "files/prometheus-adapter-values.yaml",
}
# Packed into the chart, but rendered only where somebody asks for them.
_OUTSIDE: Final = ("dashboards",)


def fingerprint() -> str:
    """SHA-256 of everything that renderings depend on: the chart's files and this package."""
    digest = hashlib.sha256()
    for path in _inputs():
        digest.update(f"{path.relative_to(ROOT)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _inputs() -> Iterator[Path]:
    yield from sorted(
        path
        for path in CHART.rglob("*")
        if path.is_file() and path.relative_to(CHART).parts[0] not in _OUTSIDE and path.suffix != ".md"
    )
    yield from sorted(Path(__file__).parent.glob("*.py"))
