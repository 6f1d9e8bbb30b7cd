import os
from pathlib import Path

import pytest

from inferno_optimizer.processors import available_processors
from inferno_optimizer.settings import OptimizerSettings


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A container's control groups, on a machine with 16 processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max 100000", 16), ("400000 100000", 4), ("150000 100000", 2), ("20000 100000", 1), ("x", 16)],
)
def test_a_container_has_the_processors_of_its_limit(cgroups: Path, limit: str, expected: int) -> None:
    (cgroups / "cpu.max").write_text(f"{limit}\n")
    assert available_processors(cgroups) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 16), ("250000", 3)])
def test_control_groups_of_version_1_are_read_too(cgroups: Path, quota: str, expected: int) -> None:
    (cgroups / "cpu").mkdir()
    (cgroups / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (cgroups / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert available_processors(cgroups) == expected


def test_without_control_groups_the_affinity_counts(cgroups: Path) -> None:
    assert available_processors(cgroups / "none") == 16


def test_workers_are_as_many_as_processors_unless_told_otherwise() -> None:
    assert OptimizerSettings(workers=3).worker_processes() == 3
    assert OptimizerSettings().worker_processes() == min(8, available_processors())
