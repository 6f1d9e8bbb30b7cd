import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from inferno_shared.service import configure_logging, get_logger


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging is the one thing that a process has once: put it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    configure_logging("info", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_flat_json_object_that_starts_with_when_how_bad_and_what(stream: io.StringIO) -> None:
    get_logger("inferno_test").info("snapshot taken", variants=3, age_seconds=0.5)
    (line,) = lines(stream)
    assert list(line)[:3] == ["ts", "level", "msg"]
    assert line["ts"].endswith("Z")
    assert {key: line[key] for key in ("level", "msg", "variants", "age_seconds", "logger")} == {
        "level": "info",
        "msg": "snapshot taken",
        "variants": 3,
        "age_seconds": 0.5,
        "logger": "inferno_test",
    }


def test_lines_below_the_level_are_left_out(stream: io.StringIO) -> None:
    get_logger("inferno_test").debug("detail")
    logging.getLogger("library").debug("detail")
    assert lines(stream) == []


def test_a_librarys_line_looks_the_same(stream: io.StringIO) -> None:
    logging.getLogger("library").warning("disk %s is %d%% full", "sda", 90)
    (line,) = lines(stream)
    assert (line["level"], line["msg"], line["logger"]) == ("warning", "disk sda is 90% full", "library")


def test_a_traceback_is_a_field(stream: io.StringIO) -> None:
    try:
        int("broken")
    except ValueError:
        get_logger("inferno_test").exception("request failed")
        logging.getLogger("library").exception("failed too")
    ours, theirs = lines(stream)
    for line in (ours, theirs):
        assert line["exception"].startswith("Traceback")
        assert line["exception"].endswith("'broken'")


def test_bound_context_is_in_every_line(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(cycle=7):
        get_logger("inferno_test").info("planned")
    assert lines(stream)[0]["cycle"] == 7


def test_access_lines_have_fields_and_good_probes_are_left_out(stream: io.StringIO) -> None:
    access = logging.getLogger("uvicorn.access")
    form = '%s - "%s %s HTTP/%s" %d'
    access.info(form, "127.0.0.1:9", "GET", "/readyz", "1.1", 200)
    access.info(form, "127.0.0.1:9", "GET", "/apis/external.metrics.k8s.io/v1beta1", "1.1", 200)
    access.info(form, "127.0.0.1:9", "GET", "/readyz", "1.1", 503)
    access.info(form, "127.0.0.1:9", "POST", "/optimize", "1.1", 200)
    probe, request = lines(stream)
    assert (probe["path"], probe["status"]) == ("/readyz", 503)
    assert {key: request[key] for key in ("msg", "client", "method", "path", "status")} == {
        "msg": "request",
        "client": "127.0.0.1:9",
        "method": "POST",
        "path": "/optimize",
        "status": 200,
    }


def test_warnings_are_log_lines_too(stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(capture=True)
        warnings.warn("old way", UserWarning, stacklevel=1)
    assert "old way" in lines(stream)[0]["msg"]


def test_a_value_that_json_does_not_know_is_written_as_text(stream: io.StringIO) -> None:
    get_logger("inferno_test").info("seen", where={1})
    assert lines(stream)[0]["where"] == "{1}"


def test_configuring_twice_does_not_write_twice() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging("info", first)
    configure_logging("info", second)
    get_logger("inferno_test").info("once")
    assert (len(lines(first)), len(lines(second))) == (0, 1)


def test_no_credential_reaches_a_line_whoever_writes_it(stream: io.StringIO) -> None:
    secret = "sha256~s3cretS3cret"
    log = get_logger("inferno_test")
    log.info("asking", headers={"authorization": f"Bearer {secret}"}, url=f"https://u:{secret}@thanos/api")
    log.info("Authorization: Bearer %s", secret, token=secret)
    logging.getLogger("library").warning("sent %s", {"Authorization": f"Bearer {secret}"})
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d', "127.0.0.1:9", "GET", f"/q?access_token={secret}", "1.1", 200
    )
    try:
        int(f"https://u:{secret}@thanos/api")
    except ValueError:
        log.exception("failed", error=ValueError(f"Bearer {secret}"))
    assert len(lines(stream)) == 5
    assert secret not in stream.getvalue()


def test_a_start_that_fails_for_a_reason_of_ours_is_one_line_without_a_traceback(stream: io.StringIO) -> None:
    server = logging.getLogger("uvicorn.error")
    server.error(
        "Traceback (most recent call last):\n  x\ninferno_shared.errors.ConfigurationError: no kubeconfig\n"
    )
    server.error("Traceback (most recent call last):\n  File x\nValueError: a bug\n")
    ours, theirs = lines(stream)
    assert ours["msg"] == "cannot start: no kubeconfig"
    assert theirs["msg"].startswith("Traceback")
