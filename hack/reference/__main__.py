"""`python -m reference`: write docs/reference, docs/pictures, and tables of other pages, from the code."""

from collections.abc import Mapping
from pathlib import Path

from inferno_actuator.app import create_actuator_app
from inferno_actuator.reference import TABLES as ACTUATOR_TABLES
from inferno_actuator.settings import ActuatorSettings
from inferno_collector.app import create_collector_app
from inferno_collector.reference import TABLES as COLLECTOR_TABLES
from inferno_collector.settings import CollectorSettings
from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.settings import OptimizerSettings
from inferno_shared.reference import filled
from reference import crd, http_api, pictures, tables, worked

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/reference"
PICTURES = ROOT / "docs/pictures"
FILLED = {
    ROOT / "docs/optimizer.md": worked.TABLES,
    ROOT / "docs/operations.md": {**ACTUATOR_TABLES, **COLLECTOR_TABLES},
}
"""Pages with marks, and the tables between them."""

CRD = ROOT / "config/crd/llmd.ai_variantautoscalings.yaml"
NOTE = "<!-- Made from the code by `make docs-reference`. -->\n\n"


def files() -> Mapping[Path, str]:
    """Every page and what belongs into it."""
    optimizer = create_optimizer_app(OptimizerSettings())
    pages = {
        "custom-resource": crd.page(CRD),
        "collector": http_api.page(create_collector_app(CollectorSettings()).openapi()),
        "optimizer": http_api.page(optimizer.openapi()),
        "actuator": http_api.page(create_actuator_app(ActuatorSettings()).openapi()),
        "metrics": tables.metrics_page(optimizer),
        "settings": tables.settings_page(),
    }
    drawn = {"loop": pictures.loop(), "sizing": pictures.sizing()}
    return {
        **{FOLDER / f"{name}.md": f"{NOTE}{text}\n" for name, text in pages.items()},
        **{PICTURES / f"{name}.svg": text for name, text in drawn.items()},
        **{path: filled(path.read_text(encoding="utf-8"), tables) for path, tables in FILLED.items()},
    }


def main() -> None:
    """Write the pages."""
    for folder in (FOLDER, PICTURES):
        folder.mkdir(exist_ok=True)
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
