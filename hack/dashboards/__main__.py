"""`python -m dashboards`: write dashboards, rules and alerts into the chart."""

from collections.abc import Mapping
from pathlib import Path

from dashboards.autoscaler import AUTOSCALER
from dashboards.fleet import FLEET
from dashboards.grafana import render
from dashboards.prometheus import alerting, recording
from dashboards.rules import ALERTS, RECORDING
from dashboards.variant import VARIANT

CHART = Path(__file__).resolve().parents[2] / "charts/inferno-autoscaler"
PAGES = {"fleet": FLEET, "variant": VARIANT, "autoscaler": AUTOSCALER}


def files() -> Mapping[Path, str]:
    """Every generated file and what belongs into it."""
    pages = {CHART / "dashboards" / f"{name}.json": render(page) for name, page in PAGES.items()}
    rules = {"recording": recording(RECORDING), "alerts": alerting(ALERTS)}
    return {**pages, **{CHART / "rules" / f"{name}.yaml": text for name, text in rules.items()}}


def main() -> None:
    """Write the files."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(CHART.parents[1]))


if __name__ == "__main__":
    main()
