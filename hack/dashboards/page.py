"""What a dashboard is here: rows of panels, each with the queries that it shows. Data only, no Grafana."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

GRID_WIDTH = 24


class Kind(Enum):
    """How a panel shows its queries."""

    CHART = "chart"
    FIGURE = "figure"
    STATES = "states"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and how its series are called.

    Args:
        absent: why the query may rightly return nothing; None when it always has data once a plan was made.
    """

    expr: str
    legend: str = ""
    absent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel; `tells` says what to read from it, for the (i) in its corner."""

    title: str
    tells: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Kind = Kind.CHART
    width: int = 8
    height: int = 8
    minimum: float | None = 0.0
    maximum: float | None = None
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable of the page: the values of one label."""

    name: str
    query: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One dashboard."""

    title: str
    uid: str
    tells: str
    rows: tuple[Row, ...]
    choices: tuple[Choice, ...] = ()

    def panels(self) -> Iterator[Panel]:
        """Every panel from the top."""
        for row in self.rows:
            yield from row.panels

    def expressions(self, values: Mapping[str, str]) -> Iterator[tuple[Panel, Query, str]]:
        """Every (panel, query, expression) with the variables replaced by `values`, Grafana's own too."""
        for panel in self.panels():
            for query in panel.queries:
                expr = query.expr
                for name in sorted(values, key=len, reverse=True):
                    expr = expr.replace(f"${name}", values[name])
                yield panel, query, expr


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording rule: the name under which Prometheus keeps an expression."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert; its name is that of its runbook.

    Args:
        lasting: how long `expr` must have results, such as `10m`.
        summary: one line with the labels in it.
        description: what it means for those whose requests are served, and the number.
    """

    name: str
    expr: str
    lasting: str
    severity: str
    summary: str
    description: str
    labels: Mapping[str, str] = field(default_factory=dict)
