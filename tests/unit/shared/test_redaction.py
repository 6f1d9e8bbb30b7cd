import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferno_shared.errors import UpstreamError
from inferno_shared.redaction import MASK, redacted, redacted_field

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl"
TOKEN_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"sent Authorization: Bearer {JWT} to x", f"sent Authorization: Bearer {MASK} to x"),
        ("{'authorization': 'Bearer abc'}", f"{{'authorization': 'Bearer {MASK}'}}"),
        ("(b'authorization', b'Basic dTpw')", f"(b'authorization', b'Basic {MASK}')"),
        ("bearer sha256~abc123def is wrong", f"bearer {MASK} is wrong"),
        (f"token {JWT} is expired", f"token {MASK} is expired"),
        ("GET https://user:pa55@thanos:9091/api failed", f"GET https://{MASK}@thanos:9091/api failed"),
        ("failed.https://user:pa55@thanos", f"failed.https://{MASK}@thanos"),
        ("_postgres://user:p@ss@db/x", f"_postgres://{MASK}@db/x"),
        ("GET http://h/q?a=1&token=abc&b=2", f"GET http://h/q?a=1&token={MASK}&b=2"),
        ("GET http://h/q?api_key=abc", f"GET http://h/q?api_key={MASK}"),
        (
            "key -----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY----- end",
            f"key {MASK} end",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMHc cut off", MASK),
    ],
)
def test_credentials_are_masked_by_their_form(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "the bearer token file /var/run/secrets/token cannot be read",
        "Basic authentication is not supported",
        "GET https://thanos-querier.openshift-monitoring.svc:9091/api/v1/query?time=1: HTTP 503",
        "service-classes-config key=premium.yaml: priority is missing",
        "metrics authorization: none",
        "write to someone@example.com",
    ],
)
def test_sentences_about_credentials_stay_readable(text: str) -> None:
    assert redacted(text) == text


@given(st.text(TOKEN_LETTERS, min_size=1, max_size=80))
def test_no_token_in_a_header_survives(token: str) -> None:
    text = f"headers: authorization: Bearer {token}"
    assert redacted(text) == f"headers: authorization: Bearer {MASK}"
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize(
    "piece",
    [
        "a.",
        "eyJ-",
        "eyJa.",
        "bearer ",
        "bearer%20",
        "authorization: ",
        "?token=",
        "://",
        "a://",
        "-----BEGIN ",
        "A ",
    ],
)
def test_a_hostile_text_takes_linear_time(piece: str) -> None:
    started = time.process_time()
    redacted(piece * (200_000 // len(piece)))
    assert time.process_time() - started < 2


def test_fields_are_masked_by_their_name_at_any_depth() -> None:
    value = {"headers": [{"Authorization": "x"}], "client_secret": b"y", "api-key": "z", "path": "/plan"}
    assert redacted_field("request", value) == {
        "headers": [{"Authorization": MASK}],
        "client_secret": MASK,
        "api-key": MASK,
        "path": "/plan",
    }


def test_counts_of_tokens_and_paths_of_secrets_are_kept() -> None:
    value = {"output_tokens": 279, "token": None, "token_file": "/run/token", "password": ""}
    assert redacted_field("load", value) == value


def test_an_error_never_shows_a_credential() -> None:
    error = UpstreamError("GET https://user:pa55@thanos/api: refused")
    assert str(error) == f"GET https://{MASK}@thanos/api: refused"
