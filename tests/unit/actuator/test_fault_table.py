"""The table of faults names tests and cases that exist, and leaves none of the actuator's faults out."""

import re
from pathlib import Path

from unit.actuator.test_faults import FAULTS

TESTS = Path(__file__).parents[2]
NAMED = re.findall(r"`([\w/]+\.py)(?:::(\w+)|#([^`]+))`", (TESTS / "FAULTS.md").read_text(encoding="utf-8"))


def test_every_test_and_case_that_the_table_names_exists() -> None:
    sources = {file: (TESTS / file).read_text(encoding="utf-8") for file in {named[0] for named in NAMED}}
    missing = [
        f"{file} {test or case}"
        for file, test, case in NAMED
        if (f"def {test}(" if test else f'"{case}"') not in sources[file]
    ]
    assert missing == []
    assert len(NAMED) >= 100


def test_the_table_has_every_fault_of_the_actuator() -> None:
    told = {case for file, _, case in NAMED if case and file.endswith("actuator/test_faults.py")}
    assert {fault.name for fault in FAULTS} == told
