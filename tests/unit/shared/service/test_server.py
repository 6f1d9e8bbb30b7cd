"""The server as a process: what it logs, how it ends."""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from unit.shared.certificates import write_certificate

PROGRAM = """
import asyncio, contextlib, threading
from fastapi import APIRouter
from inferno_shared.service import ServiceSettings, create_app, get_logger, load_settings, serve

router = APIRouter()

@router.get("/hold")
async def hold() -> str:
    get_logger("test").info("holding")
    await asyncio.sleep(0.3)
    return "finished"

@router.get("/stuck")
async def stuck() -> None:
    get_logger("test").info("holding")
    await asyncio.to_thread(threading.Event().wait)

@router.get("/bug")
async def bug() -> None:
    raise RuntimeError("broken")

@contextlib.asynccontextmanager
async def lifespan(app):
    yield
    get_logger("test").info("lifespan ended")

settings = load_settings(ServiceSettings)
serve(create_app(title="test", settings=settings, lifespan=lifespan, routers=[router]), settings)
"""


@dataclass
class Service:
    process: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    def wait_for(self, pattern: str) -> str:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            self.lines.append(json.loads(text))
            if found := re.search(pattern, self.lines[-1]["msg"]):
                return found.group()
        raise AssertionError(f"ended without {pattern}: {self.lines}")

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        assert self.process.stderr is not None
        self.lines += [json.loads(text) for text in self.process.stderr]
        return self.process.wait(timeout=20)

    @property
    def messages(self) -> list[str]:
        return [line["msg"] for line in self.lines]


@contextmanager
def running(**settings: str) -> Iterator[tuple[Service, str]]:
    environment = {
        **os.environ,
        "INFERNO_PORT": "0",
        **{f"INFERNO_{k.upper()}": v for k, v in settings.items()},
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            service = Service(process)
            yield service, service.wait_for(r"https?://[\d.]+:\d+")
        finally:
            if process.poll() is None:
                process.kill()


def get(url: str, answers: list[str]) -> threading.Thread:
    def ask() -> None:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - our own loopback server
            answers.append(answer.read().decode())

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_and_lifespan_finish_and_the_exit_code_is_0(number: signal.Signals) -> None:
    answers: list[str] = []
    with running() as (service, url):
        request = get(f"{url}/hold", answers)
        service.wait_for("holding")
        assert service.end(number) == 0
        request.join(timeout=5)
    assert answers == ['"finished"']
    assert "lifespan ended" in service.messages
    assert service.messages[-1] == "stopped"


def test_work_that_does_not_end_is_left_behind_after_the_shutdown_time() -> None:
    with running(shutdown_seconds="1") as (service, url):
        broken = threading.Thread(target=lambda: _ignore_failure(f"{url}/stuck"))
        broken.start()
        service.wait_for("holding")
        assert service.end(signal.SIGTERM) == 0
        broken.join(timeout=5)
    assert "work still under way after the shutdown time, leaving" in service.messages


def _ignore_failure(url: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - our own loopback server
            answer.read()
    except OSError:
        return


def test_with_a_certificate_the_service_speaks_https(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    with running(tls_cert_file=str(certificate), tls_key_file=str(key)) as (service, url):
        assert url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=certificate)
        with urllib.request.urlopen(f"{url}/healthz", timeout=20, context=trusting) as answer:  # noqa: S310 - loopback
            assert answer.status == 200
        assert service.end(signal.SIGTERM) == 0


def test_every_line_is_json_and_a_fault_is_logged_once() -> None:
    with running() as (service, url):
        _ignore_failure(f"{url}/bug")
        service.wait_for("request failed")
        assert service.end(signal.SIGTERM) == 0
    faults = [line for line in service.lines if "exception" in line]
    assert len(faults) == 1
    assert faults[0]["exception"].endswith("RuntimeError: broken")
    requests = [line for line in service.lines if line["msg"] == "request"]
    assert [(it["path"], it["status"]) for it in requests] == [("/bug", 500)]


def test_a_wrong_setting_ends_the_start_with_2_and_without_a_traceback() -> None:
    environment = {**os.environ, "INFERNO_PORT": "http", "INFERNO_SHUTDOWN_SECONDS": "0"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert [line.partition("=")[0] for line in ended.stderr.splitlines()] == [
        "INFERNO_PORT",
        "INFERNO_SHUTDOWN_SECONDS",
    ]


def test_a_service_that_is_open_to_the_network_says_so_at_the_start() -> None:
    with running(host="0.0.0.0") as (service, _):
        assert service.end(signal.SIGTERM) == 0
    warnings = [line["msg"] for line in service.lines if line["level"] == "warning"]
    assert [it.rpartition("set ")[2] for it in warnings] == [
        "INFERNO_TLS_CERT_FILE and INFERNO_TLS_KEY_FILE",
        "INFERNO_SERVICE_AUTHORIZATION",
        "INFERNO_METRICS_AUTHORIZATION",
    ]


def test_on_loopback_there_is_nothing_to_warn_of() -> None:
    with running() as (service, _):
        assert service.end(signal.SIGTERM) == 0
    assert [line for line in service.lines if line["level"] == "warning"] == []


def test_a_certificate_that_cannot_be_used_ends_the_start_with_2_and_a_sentence(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    key.write_text("broken")
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **os.environ,
            "INFERNO_PORT": "0",
            "INFERNO_TLS_CERT_FILE": str(certificate),
            "INFERNO_TLS_KEY_FILE": str(key),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    (line,) = map(json.loads, ended.stderr.splitlines())
    assert line["msg"] == "cannot serve"
    assert line["reason"].startswith(f"{certificate} and {key} cannot be used as certificate and key")


def test_a_bad_request_line_does_not_show_its_secret_in_the_log() -> None:
    with running() as (service, url):
        _ignore_failure(f"{url}/nothing?token=s3cret")
        service.wait_for("request")
        assert service.end(signal.SIGTERM) == 0
    assert "s3cret" not in json.dumps(service.lines)
