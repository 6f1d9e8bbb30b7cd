"""The committed dashboards are those of the code, and ask only for metrics that exist."""

import re
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from dashboards.__main__ import PAGES, files
from dashboards.page import GRID_WIDTH, Page
from dashboards.rules import ALERTS, RECORDING
from inferno_actuator.reference import metrics
from inferno_collector.gauges import CollectorGauges
from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.settings import OptimizerSettings
from inferno_shared.service.tls.server import TlsGauges

METRIC = re.compile(r"\binferno_[a-z_]+\b")
HISTOGRAM = re.compile(r"_(bucket|sum|count)$")
pages = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


@pytest.fixture(scope="module")
def known() -> set[str]:
    registry = CollectorRegistry(auto_describe=True)
    CollectorGauges(registry, "prometheus")
    TlsGauges(registry)
    optimizer = create_optimizer_app(OptimizerSettings()).state.registry
    described = {name for one in (registry, optimizer) for name in one._names_to_collectors}
    return described | {metric.name for metric in metrics()}


def expressions() -> Iterator[str]:
    for page in PAGES.values():
        yield from (query.expr for panel in page.panels() for query in panel.queries)
    yield from (rule.expr for rule in RECORDING)
    yield from (alert.expr for alert in ALERTS)


def test_what_is_committed_is_what_the_code_makes() -> None:
    stale = [path.name for path, text in files().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: make dashboards"


def test_every_metric_that_is_asked_for_is_exported(known: set[str]) -> None:
    asked = {HISTOGRAM.sub("", name) for expr in expressions() for name in METRIC.findall(expr)}
    assert asked - known == set()


@pages
def test_panels_fill_their_rows(page: Page) -> None:
    for row in page.rows:
        assert sum(panel.width for panel in row.panels) % GRID_WIDTH in {0, 16}, row.title


@pages
def test_every_panel_says_what_to_read_from_it(page: Page) -> None:
    titles = [panel.title for panel in page.panels()]
    assert len(titles) == len(set(titles))
    assert all(panel.tells.endswith(".") for panel in page.panels())


@pages
def test_only_variables_of_the_page_and_grafanas_own_are_used(page: Page) -> None:
    own = {choice.name for choice in page.choices} | {"__rate_interval", "__range", "__interval"}
    used = {
        n for panel in page.panels() for query in panel.queries for n in re.findall(r"\$(\w+)", query.expr)
    }
    assert used <= own
