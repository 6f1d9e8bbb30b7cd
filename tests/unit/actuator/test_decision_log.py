"""The decision log: complete, bounded, and replayable from the file alone."""

import asyncio
from pathlib import Path

import httpx
import pytest
import structlog
from typer.testing import CliRunner

from builders import SEED_NAME, SEED_NAMESPACE, a_snapshot, a_variant
from inferno_actuator import cli
from inferno_actuator.clients import OptimizerClient
from inferno_actuator.decision_log import DecisionLog, LoggedDecision, LoggedFailure, LoggedSnapshot
from inferno_actuator.decision_log.replay import Comparison, ReplayError, read_log, replay, table
from inferno_actuator.rails import RailLimits, Step
from inferno_actuator.triggers import Trigger
from inferno_shared.contracts import Snapshot
from unit.actuator.world import World, a_plan, an_allocation, answer

BIG = 2**20


def logging_to(path: Path, *, max_bytes: int = BIG, files: int = 3, variants: int = 1) -> World:
    snapshot = a_snapshot(variants=[a_variant(f"v{i}") for i in range(variants)] if variants > 1 else None)
    return World(snapshot, decision_log=DecisionLog(path, max_bytes=max_bytes, files=files))


async def turns(world: World, count: int = 1) -> None:
    for _ in range(count):
        await world.loop.run_once(Trigger.INTERVAL)
        world.clock.advance(60)


async def test_a_cycle_is_a_line_per_variant_after_the_line_of_its_snapshot(tmp_path: Path) -> None:
    world = logging_to(tmp_path / "log")
    world.statuses.rails = RailLimits(step_up=Step(replicas=1))
    await turns(world, 2)
    snapshot, first, second = read_log(tmp_path / "log")
    assert isinstance(snapshot, LoggedSnapshot)
    assert isinstance(first, LoggedDecision)
    assert isinstance(second, LoggedDecision)
    assert snapshot.snapshot.content_id() == first.snapshot_id == second.snapshot_id
    assert (first.cycle, first.planned_replicas, first.desired_replicas) == (1, 3, 2)
    assert [ruling.rail for ruling in first.rails] == ["StepUpBound"]
    assert first.allocation is not None
    assert first.allocation.predicted.max_rate_rpm_per_replica == 14.308867
    assert first.load is not None
    assert first.load.arrival_rate_rpm == 37.5


async def test_a_failed_cycle_is_a_line_too(tmp_path: Path) -> None:
    world = logging_to(tmp_path / "log")
    world.optimizer = lambda _: httpx.Response(500, json={"detail": "the solver died"})
    await turns(world)
    (line,) = read_log(tmp_path / "log")
    assert isinstance(line, LoggedFailure)
    assert (line.stage, line.reason) == ("optimize", "Refused")
    assert "the solver died" in line.message


async def test_the_files_stay_within_their_bound_and_each_is_complete_in_itself(tmp_path: Path) -> None:
    world = logging_to(tmp_path / "log", max_bytes=20_000, files=3, variants=4)
    for rate in range(60):
        world.see(*(a_variant(f"v{i}", rate_rpm=30 + rate) for i in range(4)))
        await turns(world)
    files = sorted(tmp_path.iterdir())  # noqa: ASYNC240 - a test may wait for its disk
    assert [file.name for file in files] == ["log", "log.1", "log.2"]
    for file in files:
        assert file.stat().st_size <= 20_000
        known: set[str] = set()
        for line in read_log(file):
            if isinstance(line, LoggedSnapshot):
                known.add(line.snapshot_id)
            else:
                assert line.snapshot_id in known
    last = list(read_log(tmp_path / "log"))[-1]
    assert isinstance(last, LoggedDecision)
    assert last.cycle == 60


async def test_a_disk_that_is_gone_costs_lines_never_decisions(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    world = logging_to(folder / "log")
    with structlog.testing.capture_logs() as said:
        await turns(world, 3)
        assert world.desired() == {SEED_NAME: 3}
        folder.mkdir()
        await turns(world)
    assert [
        line["event"] for line in said if "decision" in line["event"] and line["event"] != "decision"
    ] == [
        "decision log not written",
        "decisions are logged again",
    ]
    assert len(list(read_log(folder / "log"))) == 2


async def test_a_cycle_larger_than_a_file_is_not_written(tmp_path: Path) -> None:
    world = logging_to(tmp_path / "log", max_bytes=500)
    await turns(world, 2)
    assert not (tmp_path / "log").exists()
    assert world.desired() == {SEED_NAME: 3}


def optimizer(replicas: int) -> OptimizerClient:
    def plan(request: httpx.Request) -> httpx.Response:
        snapshot = Snapshot.model_validate_json(request.content)
        return answer(a_plan(snapshot, [an_allocation(v, replicas=replicas) for v in snapshot.variants]))

    return OptimizerClient(
        httpx.AsyncClient(base_url="http://optimizer.test", transport=httpx.MockTransport(plan))
    )


async def replayed(path: Path, replicas: int, variant: str | None = None) -> list[Comparison]:
    return [it async for it in replay(read_log(path), optimizer(replicas), variant=variant)]


async def test_a_file_without_what_is_asked_for_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(ReplayError, match="no decision in it"):
        await replayed(tmp_path / "empty", 3)
    await turns(logging_to(tmp_path / "log"))
    with pytest.raises(ReplayError, match=rf"no decision about v1 in it .* about {SEED_NAMESPACE}/"):
        await replayed(tmp_path / "log", 3, "v1")


async def test_a_replay_shows_where_another_optimizer_decides_otherwise(tmp_path: Path) -> None:
    await turns(logging_to(tmp_path / "log", variants=2), 2)
    same = await replayed(tmp_path / "log", 3)
    assert (len(same), any(it.differs for it in same)) == (4, False)
    different = await replayed(tmp_path / "log", 5, f"{SEED_NAMESPACE}/v1")
    assert len(different) == 2
    head, first, _ = table(different).splitlines()
    assert head.split() == ["time", "variant", "logged", "plan", "desired", "plan", "now", "difference"]
    assert first == (
        "2025-09-04T12:00:00Z  llm-d-sim/v1  3 x H100 (SloBinds)  3        5 x H100 (SloBinds)  "
        "+2 replicas, +100 cents/h, served -> served"
    )


async def test_a_line_cut_off_at_the_end_is_left_out_and_one_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log"
    await turns(logging_to(path), 2)
    whole = path.read_text()
    path.write_text(whole[:-100])
    assert len(list(read_log(path))) == 2
    path.write_text("{}\n" + whole)
    with pytest.raises(ReplayError, match="line 1: not a line of a decision log"):
        list(read_log(path))


def test_the_command_tells_what_is_wrong_with_its_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["replay", str(tmp_path / "nothing")])
    assert result.exit_code == 2
    assert "No such file" in result.output


def test_the_command_says_that_the_optimizer_does_not_answer(tmp_path: Path) -> None:
    async def logged() -> None:
        await turns(logging_to(tmp_path / "log"))

    asyncio.run(logged())
    result = CliRunner().invoke(
        cli.app, ["replay", str(tmp_path / "log"), "--optimizer", "http://127.0.0.1:9", "--all"]
    )
    assert result.exit_code == 2
    assert "Stage optimize failed (Unreachable)" in result.output
