"""The guide's load generator beside a test."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.scenario import FULL
from e2e.clusters import ROOT
from e2e.product import Product

LOADGEN = ROOT / "hack/vllme/vllm_emulator/loadgen.py"
SEED_MODEL = "Qwen/Qwen3-0.6B"


@contextmanager
def load(
    product: Product, service: str, rate: str, *, model: str = SEED_MODEL, report: Path | None = None
) -> Iterator[str]:
    """Send requests at `rate` ([[seconds, requests/min], ...]) to a Service; yields the child's name."""
    name = f"loadgen-{service.replace('/', '-')}"
    words = ["--model", model, "--rate", rate, "--content", "150", "--seed", str(FULL.arrivals_seed)]
    url = f"{product.plane.service_url(service)}/v1"
    reported = ["--report", report] if report else []
    product.plane.children.start(name, [sys.executable, LOADGEN, "--url", url, *words, *reported])
    try:
        yield name
    finally:
        product.plane.children.stop(name)


def first_request_at(report: Path) -> float:
    """Unix time at which the first request was sent, from the load generator's report."""
    times: list[float] = [json.loads(line).get("t", math.inf) for line in report.read_text().splitlines()]
    return min(times)
