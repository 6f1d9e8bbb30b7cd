"""Renders a page as Grafana's JSON with Grafana's own Foundation SDK."""

from typing import TypeVar

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    VariableRefresh,
    VariableSort,
)

from dashboards.page import Choice, Kind, Page, Panel, Query

TAG = "inferno"
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_Rendered = timeseries.Panel | stat.Panel | statetimeline.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel, statetimeline.Panel)


def render(page: Page) -> str:
    """The page as JSON, ready to be provisioned or imported."""
    built = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.tells)
        .tags([TAG])
        .readonly()
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Inferno").type(DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for choice in page.choices:
        built = built.with_variable(_variable(choice))
    for row in page.rows:
        built = built.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            built = built.with_panel(_panel(panel))
    return JSONEncoder(sort_keys=True, indent=2).encode(built.build()) + "\n"


def _variable(choice: Choice) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(choice.name)
        .label(choice.label)
        .datasource(_SOURCE)
        .query(choice.query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def _panel(panel: Panel) -> _Rendered:
    match panel.kind:
        case Kind.CHART:
            return _common(_chart(panel), panel)
        case Kind.FIGURE:
            return _common(stat.Panel().color_mode(BigValueColorMode.NONE), panel)
        case Kind.STATES:
            return _common(statetimeline.Panel().show_value(VisibilityMode.NEVER), panel)


def _chart(panel: Panel) -> timeseries.Panel:
    chart = (
        timeseries.Panel()
        .line_width(2)
        .fill_opacity(20 if panel.stacked else 0)
        .show_points(VisibilityMode.NEVER)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
        )
    )
    return chart.stacking(common.StackingConfig().mode(StackingMode.NORMAL)) if panel.stacked else chart


def _common(built: P, panel: Panel) -> P:
    built = (
        built.title(panel.title)
        .description(_described(panel))
        .datasource(_SOURCE)
        .unit(panel.unit)
        .span(panel.width)
        .height(panel.height)
    )
    if panel.minimum is not None:
        built = built.min(panel.minimum)
    if panel.maximum is not None:
        built = built.max(panel.maximum)
    for place, query in enumerate(panel.queries):
        built = built.with_target(_target(query, "ABCDEFGH"[place], instant=panel.kind is Kind.FIGURE))
    return built


def _described(panel: Panel) -> str:
    absent = sorted({query.absent for query in panel.queries if query.absent})
    return panel.tells + "".join(f" No data {why}." for why in absent)


def _target(query: Query, ref: str, *, instant: bool) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(ref)
    return target.instant() if instant else target.range()
