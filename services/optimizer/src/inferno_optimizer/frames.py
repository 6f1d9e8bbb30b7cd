"""What server and worker process say to each other over a socket pair: requests and interruptions, answers.

A worker says READY once it can solve. It is sent one request at a time: the endpoint's place in `ENDPOINTS`,
and the body. An interruption may follow, and is about the latest request. The worker answers every request.
"""

import json
import struct
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from inferno_optimizer.endpoint import Answer, PlanMade

READY: Final = b"!"
INTERRUPT: Final = 255

REQUEST: Final = struct.Struct(">BQ")
"""Endpoint or INTERRUPT, bytes of the body that follows."""

ANSWER: Final = struct.Struct(">IQ")
"""Bytes of the head and of the content that follow."""


def request_frame(endpoint: int, body: bytes) -> bytes:
    """One request."""
    return REQUEST.pack(endpoint, len(body)) + body


def interrupt_frame() -> bytes:
    """Nobody waits for the latest request any more."""
    return REQUEST.pack(INTERRUPT, 0)


def answer_frame(answer: Answer) -> bytes:
    """One answer."""
    head = json.dumps(
        {
            "status": answer.status,
            "media_type": answer.media_type,
            "plans": [asdict(plan) for plan in answer.plans],
            "cpu_seconds": answer.cpu_seconds,
        }
    ).encode()
    return ANSWER.pack(len(head), len(answer.content)) + head + answer.content


def answer_from(head: bytes, content: bytes) -> Answer:
    """The answer that `answer_frame` packed."""
    said = json.loads(head)
    plans = tuple(PlanMade(**plan) for plan in said["plans"])
    return Answer(said["status"], said["media_type"], content, plans, said["cpu_seconds"])


def exactly(receive: Callable[[int], bytes], count: int) -> bytes:
    """So many bytes from a blocking socket. Raises EOFError when the other side is gone."""
    chunks = []
    while count:
        chunk = receive(min(count, 1 << 20))
        if not chunk:
            raise EOFError
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)
