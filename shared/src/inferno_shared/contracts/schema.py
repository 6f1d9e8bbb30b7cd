"""The published JSON schemas of the wire contracts: `python -m inferno_shared.contracts.schema FOLDER`.

The files are sorted and stable, so that a change of a contract is a readable difference in a review.
"""

import json
import sys
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from inferno_shared.contracts.analysis import AnalysisRequest, AnalysisResult
from inferno_shared.contracts.plan import Plan
from inferno_shared.contracts.scenario import OptimizeRequest, WhatIf
from inferno_shared.contracts.snapshot import Snapshot

PUBLISHED: Final[dict[str, tuple[type[BaseModel], str]]] = {
    "analysis-request": (AnalysisRequest, "POST /analyze takes this"),
    "analysis-result": (AnalysisResult, "POST /analyze answers this"),
    "optimize-request": (OptimizeRequest, "POST /optimize takes this: a snapshot, with or without scenarios"),
    "plan": (Plan, "POST /optimize answers this"),
    "snapshot": (Snapshot, "GET /snapshot answers this, POST /optimize takes it"),
    "what-if": (WhatIf, "POST /optimize answers this to a snapshot with scenarios"),
}
USAGE: Final = "usage: python -m inferno_shared.contracts.schema FOLDER"
ARGUMENTS: Final = 2


def schema_text(name: str) -> str:
    """Return the content of NAME.schema.json."""
    model, use = PUBLISHED[name]
    schema = model.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["$comment"] = use
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Write every published schema into `folder`; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in PUBLISHED:
        file = folder / f"{name}.schema.json"
        file.write_text(schema_text(name), encoding="utf-8")
        files.append(file)
    return files


def main(arguments: list[str]) -> int:
    """Write the schemas into the folder named by the only argument."""
    if len(arguments) != ARGUMENTS or arguments[1].startswith("-"):
        sys.stderr.write(f"{USAGE}\n")
        return 2
    for file in write_schemas(Path(arguments[1])):
        sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
