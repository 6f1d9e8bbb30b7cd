"""The little of HTTP/1.1 that the proxy must understand: is it a request, and how its connection ends."""

import re
from http import HTTPStatus

MAX_HEAD_BYTES = 65_536
HEAD_END = b"\r\n\r\n"
_METHOD_START = re.compile(rb"^[A-Z]{1,16}(?: |$)")
_PER_CONNECTION = frozenset({b"connection", b"keep-alive", b"proxy-connection"})


def may_be_http(start: bytes) -> bool:
    """Whether the first bytes of a connection look like a request's method."""
    return bool(_METHOD_START.match(start[:17]))


def ending_after_this(head: bytes) -> bytes:
    """The head of a request (up to and with its empty line), asking the server to close afterwards.

    A request to upgrade the connection stays as it is: what follows is not HTTP.
    """
    request_line, *headers = head.removesuffix(HEAD_END).split(b"\r\n")
    names = [header.split(b":", 1)[0].strip().lower() for header in headers]
    if b"upgrade" in names:
        return head
    kept = [header for header, name in zip(headers, names, strict=True) if name not in _PER_CONNECTION]
    return b"\r\n".join([request_line, *kept, b"Connection: close"]) + HEAD_END


def answer(status: HTTPStatus, message: str) -> bytes:
    """A whole response with a sentence as its body."""
    body = f"{message}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
