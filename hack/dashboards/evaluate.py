"""Asks a Prometheus every query of every page: does a dashboard show something?

    python -m dashboards.evaluate --prometheus http://127.0.0.1:9090 --namespace llm-d-sim --variant NAME

prints one line per query that has no data, and draws every panel with `--plots FOLDER` (needs matplotlib).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer

from dashboards.autoscaler import AUTOSCALER
from dashboards.fleet import FLEET
from dashboards.page import Page, Panel, Query
from dashboards.variant import VARIANT

PAGES = (FLEET, VARIANT, AUTOSCALER)
HTTP_SECONDS = 20.0
STEP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One series of an answer: (Unix time, value) pairs."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one query of a panel returned."""

    page: Page
    panel: Panel
    query: Query
    expr: str
    lines: Sequence[Line]

    @property
    def missing(self) -> bool:
        """Whether there should be data, and is none."""
        return not self.lines and self.query.absent is None


def evaluate(prometheus_url: str, *, namespace: str, variant: str, range_seconds: int = 300) -> list[Answer]:
    """Every query of every page over the last `range_seconds`.

    Raises:
        RuntimeError: Prometheus refused a query; the message has both.
    """
    values = {
        "namespace": namespace,
        "variant": variant,
        "__rate_interval": "1m",
        "__interval": f"{STEP_SECONDS}s",
        "__range": f"{range_seconds}s",
    }
    with httpx.Client(base_url=prometheus_url, timeout=HTTP_SECONDS, trust_env=False) as client:
        return [
            Answer(page, panel, query, expr, list(_lines(client, expr, range_seconds)))
            for page in PAGES
            for panel, query, expr in page.expressions(values)
        ]


def _lines(client: httpx.Client, expr: str, range_seconds: int) -> Iterator[Line]:
    end = time.time()
    times = {"start": end - range_seconds, "end": end, "step": STEP_SECONDS}
    answer = client.get("/api/v1/query_range", params={"query": expr, **times}).json()
    if answer["status"] != "success":
        raise RuntimeError(f"{expr}: {answer['error']}")
    for found in answer["data"]["result"]:
        yield Line(found["metric"], [(float(at), float(value)) for at, value in found["values"]])


def main(
    prometheus: Annotated[str, typer.Option(help="its address")],
    namespace: Annotated[str, typer.Option(help="of a variant that has run")],
    variant: Annotated[str, typer.Option(help="its name")],
    range_seconds: Annotated[int, typer.Option(min=60, help="how far to look back")] = 300,
    plots: Annotated[Path | None, typer.Option(help="draw every panel into this folder")] = None,
) -> None:
    """Ask every query; exit 1 when one that should have data has none."""
    answers = evaluate(prometheus, namespace=namespace, variant=variant, range_seconds=range_seconds)
    if plots is not None:
        from dashboards.plots import draw  # noqa: PLC0415 - only drawing needs matplotlib

        draw(answers, plots)
    empty = [answer for answer in answers if not answer.lines]
    for answer in empty:
        why = f"may be: {answer.query.absent}" if answer.query.absent else "NO DATA"
        print(f"{answer.page.title} | {answer.panel.title} | {answer.query.legend}: {why}\n    {answer.expr}")
    print(f"{len(answers)} queries, {len(empty)} without data")
    raise typer.Exit(int(any(answer.missing for answer in answers)))


if __name__ == "__main__":
    typer.run(main)
