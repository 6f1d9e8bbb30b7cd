from pathlib import Path

import httpx
import pytest
import structlog

from inferno_shared.errors import ConfigurationError, UpstreamError
from inferno_shared.service import http_client, request_with_retry


class Scripted(httpx.AsyncBaseTransport):
    """Answers with statuses or errors in turn."""

    def __init__(self, *answers: int | Exception | httpx.Response) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(answer, json={"ok": True})


async def ask(transport: Scripted, method: str = "GET", *, safe: bool | None = None) -> httpx.Response:
    async with http_client(base_url="http://optimizer", timeout_seconds=1, transport=transport) as client:
        return await request_with_retry(
            client, method, "/optimize", safe=safe, wait_initial_seconds=0, wait_max_seconds=0
        )


async def test_a_good_answer_is_returned_and_the_client_says_who_it_is() -> None:
    transport = Scripted(200)
    assert (await ask(transport)).json() == {"ok": True}
    assert transport.requests[0].headers["user-agent"].startswith("inferno-autoscaler/")
    assert str(transport.requests[0].url) == "http://optimizer/optimize"


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize(("method", "safe"), [("GET", None), ("POST", True)])
async def test_a_gateway_failure_of_a_safe_call_is_tried_again(
    status: int, method: str, *, safe: bool
) -> None:
    transport = Scripted(status, status, 200)
    assert (await ask(transport, method, safe=safe)).status_code == 200
    assert len(transport.requests) == 3


async def test_the_line_logged_of_another_try_names_the_call() -> None:
    with structlog.testing.capture_logs() as lines:
        await ask(Scripted(503, 200))
    assert [line["callable"] for line in lines] == ["GET http://optimizer/optimize"]


@pytest.mark.parametrize(
    ("answer", "method", "safe"),
    [
        (503, "POST", None),
        (503, "GET", False),
        (500, "GET", None),
        (404, "GET", None),
        (httpx.ReadTimeout("slow"), "GET", None),
        (httpx.RemoteProtocolError("cut"), "POST", None),
    ],
)
async def test_what_is_not_safe_or_not_passing_is_not_tried_again(
    answer: int | Exception, method: str, *, safe: bool | None
) -> None:
    transport = Scripted(answer, 200)
    with pytest.raises(UpstreamError):
        await ask(transport, method, safe=safe)
    assert len(transport.requests) == 1


async def test_a_request_that_never_left_is_tried_again_whatever_it_is() -> None:
    transport = Scripted(httpx.ConnectError("refused"), 200)
    assert (await ask(transport, "POST")).status_code == 200


async def test_attempts_are_bounded_and_the_error_names_the_call() -> None:
    transport = Scripted(*[httpx.ConnectError("refused")] * 9)
    with pytest.raises(UpstreamError, match=r"^GET http://optimizer/optimize: refused$") as caught:
        await ask(transport)
    assert caught.value.status is None
    assert len(transport.requests) == 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(422, json={"title": "Invalid", "detail": "variants[0].name: required"}), "variants"),
        (httpx.Response(400, json={"status": "error", "error": "bad query"}), "bad query"),
        (httpx.Response(500, text="oh no"), "oh no"),
        (httpx.Response(500), "Internal Server Error"),
    ],
)
async def test_the_error_carries_the_status_and_what_the_other_side_says(
    answer: httpx.Response, said: str
) -> None:
    with pytest.raises(UpstreamError) as caught:
        await ask(Scripted(answer))
    assert caught.value.status == answer.status_code
    assert said in str(caught.value)
    assert f"(HTTP {answer.status_code})" in str(caught.value)


def test_a_certificate_authority_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    absent, nonsense, garbled = (tmp_path / f"{name}.pem" for name in ("absent", "nonsense", "garbled"))
    nonsense.write_text("not a certificate")
    garbled.write_text("-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n")
    for file in (absent, nonsense, garbled):
        with pytest.raises(ConfigurationError, match=f"{file.name} cannot be used as certificate authority"):
            http_client(base_url="https://x", timeout_seconds=1, ca_file=file)
