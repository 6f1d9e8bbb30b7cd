"""Draws pages as a Grafana would lay them out, for where there is no Grafana. Needs matplotlib."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from dashboards.evaluate import Answer
from dashboards.page import GRID_WIDTH, Kind, Page, Panel

mpl.use("Agg")
_INCHES = 0.75


def draw(answers: Sequence[Answer], folder: Path) -> list[Path]:
    """One PNG per page; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {answer.page.uid: answer.page for answer in answers}
    return [_draw_page(page, [a for a in answers if a.page is page], folder) for page in pages.values()]


def _draw_page(page: Page, answers: Sequence[Answer], folder: Path) -> Path:
    shelves = _shelves(page)
    figure = plt.figure(figsize=(GRID_WIDTH * _INCHES, 3.0 * len(shelves)))
    grid = figure.add_gridspec(len(shelves), GRID_WIDTH, hspace=0.35, wspace=4.0, top=0.95)
    for place, shelf in enumerate(shelves):
        left = 0
        for panel in shelf:
            axes = figure.add_subplot(grid[place, left : left + panel.width])
            _draw_panel(axes, panel, [a for a in answers if a.panel is panel])
            left += panel.width
    figure.suptitle(page.title)
    path = folder / f"{page.uid}.png"
    figure.savefig(path, dpi=75, bbox_inches="tight")
    plt.close(figure)
    return path


def _shelves(page: Page) -> list[list[Panel]]:
    """Panels side by side until the grid is full; each row of the page begins a new shelf."""
    shelves: list[list[Panel]] = []
    for row in page.rows:
        shelves.append([])
        for panel in row.panels:
            if sum(it.width for it in shelves[-1]) + panel.width > GRID_WIDTH:
                shelves.append([])
            shelves[-1].append(panel)
    return shelves


def _draw_panel(axes: Axes, panel: Panel, answers: Sequence[Answer]) -> None:
    axes.set_title(f"{panel.title} [{panel.unit.removeprefix('suffix: ')}]", fontsize=11)
    axes.tick_params(labelsize=9)
    lines = [(_named(answer.query.legend, line.labels), line) for answer in answers for line in answer.lines]
    if not lines:
        axes.text(0.5, 0.5, "No data", ha="center", va="center", transform=axes.transAxes)
        return
    if panel.kind is Kind.FIGURE:
        axes.axis("off")
        axes.text(0.5, 0.5, f"{lines[0][1].points[-1][1]:.4g}", ha="center", va="center", fontsize=26)
        return
    end = max(at for _, line in lines for at, _ in line.points)
    for name, line in lines:
        minutes, values = zip(*((at / 60 - end / 60, value) for at, value in line.points), strict=True)
        axes.plot(minutes, values, label=name[:90])
    if panel.minimum is not None:
        top = axes.get_ylim()[1]
        axes.set_ylim(bottom=panel.minimum - top / 50, top=top * 1.05)  # a line at the minimum stays visible
    axes.legend(fontsize=8, loc="best")


def _named(legend: str, labels: Mapping[str, str]) -> str:
    if not legend:
        return ", ".join(f"{key}={value}" for key, value in labels.items()) or "value"
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), legend)
