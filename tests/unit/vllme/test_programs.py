"""Both programs as processes: what a user types, sees and gets as exit code."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

FOLDER = Path(__file__).parents[3] / "hack" / "vllme"
SEED_ARGUMENTS = ["Qwen/Qwen3-0.6B", "--served-model-name", "Qwen/Qwen3-0.6B", "--enforce-eager"]
PATIENCE_SECONDS = 20


class Emulator:
    """An emulator process on a port of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vllm_emulator", *SEED_ARGUMENTS, "--port", "0", *arguments],
            cwd=FOLDER,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        first_line = self.process.stdout.readline()
        found = re.search(r"http://\S+/v1", first_line)
        assert found, first_line
        self.url = found.group()

    def metrics(self) -> str:
        """What Prometheus would read."""
        return httpx.get(self.url.replace("/v1", "/metrics"), trust_env=False).text

    def stop(self) -> tuple[int, str]:
        """SIGTERM; the exit code and what it wrote to stderr."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, errors


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    running = Emulator("--alpha-ms", "1", "--beta-ms", "0.1", "--output-tokens", "20")
    yield running
    if running.process.poll() is None:
        running.stop()


def until(condition: Callable[[], object]) -> None:
    """Wait for another process, with a bound."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.01)


def loadgen(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "loadgen.py", *arguments],
        cwd=FOLDER / "vllm_emulator",
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        env=os.environ | {"COLUMNS": "100"},
    )


def test_load_on_an_emulator_is_measured_reported_and_counted_alike(
    emulator: Emulator, tmp_path: Path
) -> None:
    report = tmp_path / "report.jsonl"
    load = ["--rate", "[[1, 600]]", "--mode", "deterministic", "--content", "150", "--report", str(report)]
    result = loadgen("--url", emulator.url, *load)
    assert result.returncode == 0, result.stderr
    assert "10 requests sent" in result.stdout
    assert "within SLO" in result.stdout
    *lines, last = [json.loads(line) for line in report.read_text().splitlines()]
    assert [line["output_tokens"] for line in lines if line["ok"]] == [20] * 10
    assert all(line["ttft_ms"] > 1 and line["itl_ms"] is not None for line in lines)
    assert last["summary"]["sent"] == last["summary"]["ok"] == 10
    text = emulator.metrics()
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("finished_reason", "stop") == "stop"
    }
    assert samples["vllm:request_success_total"] == 10
    assert samples["vllm:request_prompt_tokens_sum"] == 1500
    assert samples["vllm:inter_token_latency_seconds_count"] == 190
    assert "_created" not in text


def test_the_emulator_warns_once_of_flags_it_ignores_and_leaves_with_0_on_sigterm(emulator: Emulator) -> None:
    code, errors = emulator.stop()
    assert code == 0
    assert errors == "warning: ignored, the emulator has no such parameters: --enforce-eager\n"


def test_what_is_under_way_at_sigterm_is_completed(emulator: Emulator) -> None:
    with httpx.stream(
        "POST",
        f"{emulator.url}/completions",
        json={"prompt": "a", "max_tokens": 300, "stream": True},
        trust_env=False,
    ) as answer:
        lines = answer.iter_lines()
        next(lines)
        emulator.process.send_signal(signal.SIGTERM)
        assert list(lines)[-2] == "data: [DONE]"
    assert emulator.stop()[0] == 0


def test_after_the_time_to_drain_the_emulator_leaves_anyway() -> None:
    slow = Emulator("--alpha-ms", "60000", "--drain-seconds", "0")
    host, port = slow.url.removeprefix("http://").removesuffix("/v1").split(":")
    body = b'{"prompt": "a"}'
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        until(lambda: re.search(r"num_requests_running\S+ 1.0", slow.metrics()))
        assert slow.stop()[0] == 0


def test_an_address_in_use_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "vllm_emulator", "m", "--port", str(port)],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    assert result.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr


def test_when_nothing_listens_the_load_generator_fails_and_says_what_to_check() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    result = loadgen("--url", url, "--rate", "[[0.1, 1200]]", "--mode", "deterministic")
    assert result.returncode == 1
    assert f"nothing answers at {url}" in result.stderr


def test_an_unknown_model_is_the_servers_word_and_our_advice(emulator: Emulator) -> None:
    result = loadgen(
        "--url", emulator.url, "--model", "gpt", "--rate", "[[0.1, 1200]]", "--mode", "deterministic"
    )
    assert result.returncode == 1
    assert "2 times: HTTP 404: The model `gpt` does not exist." in result.stdout
    assert "check --model" in result.stderr


def test_ctrl_c_shows_what_was_done_so_far(emulator: Emulator, tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    arguments = ["--url", emulator.url, "--rate", "[[600, 1200]]", "--report", str(report)]
    process = subprocess.Popen(
        [sys.executable, "loadgen.py", *arguments],
        cwd=FOLDER / "vllm_emulator",
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    until(lambda: report.exists() and report.read_text())
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert "stopped early" in output
    assert "requests sent" in output
    assert "summary" in report.read_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "[[3]]"], "argument --rate: must be a list of [seconds, requests per minute]"),
        (["--url", "localhost"], "argument --url: must begin with http:// or https://"),
        (["--content", "0"], "argument --content: must be at least 1"),
        (["--mode", "bursty"], "argument --mode"),
        (["--report", "/nonexistent/x"], "cannot write --report /nonexistent/x"),
    ],
)
def test_a_wrong_command_line_is_explained(arguments: list[str], message: str) -> None:
    result = loadgen(*arguments)
    assert result.returncode == 2
    assert message in result.stderr


def test_help_shows_examples() -> None:
    result = loadgen("--help")
    assert result.returncode == 0
    assert "python loadgen.py --model Qwen/Qwen3-0.6B --rate '[[180, 50]]'" in result.stdout
