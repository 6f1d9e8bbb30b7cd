"""Reading a container's log as `kubectl logs` asks for it."""

import asyncio

import pytest

from devcluster.kubelet.logs import ContainerLog, LogOptions, parse_log_options
from unit.devcluster_kubelet.kubelet_world import START, after


def a_log(*texts: str) -> ContainerLog:
    log = ContainerLog()
    for index, text in enumerate(texts):
        log.append(text, after(index))
    return log


async def read(log: ContainerLog, options: LogOptions) -> str:
    return b"".join([piece async for piece in log.read(options)]).decode()


async def test_all_lines_by_default() -> None:
    assert await read(a_log("a", "b"), LogOptions()) == "a\nb\n"


async def test_the_last_lines() -> None:
    assert await read(a_log("a", "b", "c"), LogOptions(tail_lines=2)) == "b\nc\n"
    assert await read(a_log("a"), LogOptions(tail_lines=0)) == ""
    assert await read(a_log("a"), LogOptions(tail_lines=5)) == "a\n"


async def test_lines_since_a_moment() -> None:
    options = parse_log_options({"sinceSeconds": "1"}, after(2))
    assert await read(a_log("a", "b", "c"), options) == "b\nc\n"


async def test_no_more_bytes_than_asked_for() -> None:
    assert await read(a_log("abc", "def"), LogOptions(limit_bytes=6)) == "abc\nde"


async def test_timestamps_with_nanoseconds() -> None:
    assert await read(a_log("a"), LogOptions(timestamps=True)) == "2025-09-04T18:00:00.000000000Z a\n"


async def test_the_previous_run_is_kept_apart() -> None:
    log = a_log("old")
    log.begin_run()
    log.append("new", after(9))
    assert await read(log, LogOptions()) == "new\n"
    assert await read(log, LogOptions(previous=True)) == "old\n"


async def test_only_so_many_lines_are_remembered() -> None:
    log = ContainerLog(max_lines=2)
    for text in "abc":
        log.append(text, START)
    assert await read(log, LogOptions()) == "b\nc\n"


async def test_a_follower_gets_new_lines_until_the_log_is_closed() -> None:
    log = a_log("a")
    following = asyncio.create_task(read(log, LogOptions(follow=True)))
    for text in "bc":
        await asyncio.sleep(0)
        log.append(text, START)
    await asyncio.sleep(0)
    log.append("d", START)
    log.close()
    async with asyncio.timeout(1):
        assert await following == "a\nb\nc\nd\n"


def test_a_wrong_number_is_named() -> None:
    with pytest.raises(ValueError, match="tailLines must be a whole number"):
        parse_log_options({"tailLines": "many"}, START)


def test_options_are_read_from_the_query() -> None:
    query = {"follow": "true", "timestamps": "true", "previous": "false", "limitBytes": "10"}
    assert parse_log_options(query, START) == LogOptions(follow=True, timestamps=True, limit_bytes=10)
