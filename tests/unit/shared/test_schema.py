import json
from pathlib import Path

import pytest

from builders import a_snapshot
from inferno_shared.contracts.schema import PUBLISHED, main, schema_text, write_schemas

COMMITTED = Path(__file__).parents[3] / "docs" / "schemas"


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_schema_is_current(name: str) -> None:
    committed = (COMMITTED / f"{name}.schema.json").read_text(encoding="utf-8")
    assert committed == schema_text(name), "run: make schemas"


def test_every_contract_is_written_and_nothing_else(tmp_path: Path) -> None:
    written = write_schemas(tmp_path / "new")
    assert sorted(it.name for it in written) == [
        "analysis-request.schema.json",
        "analysis-result.schema.json",
        "optimize-request.schema.json",
        "plan.schema.json",
        "snapshot.schema.json",
        "what-if.schema.json",
    ]
    assert sorted((tmp_path / "new").iterdir()) == sorted(written)


def test_a_schema_describes_what_a_snapshot_says() -> None:
    schema = json.loads(schema_text("snapshot"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(a_snapshot().model_dump(mode="json")) <= set(schema["properties"])


def test_the_program_wants_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 2
    assert main(["schema", "--help"]) == 2
    assert "usage: " in capsys.readouterr().err
    assert main(["schema", str(tmp_path)]) == 0
    assert "plan.schema.json" in capsys.readouterr().out
