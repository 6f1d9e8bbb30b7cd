"""A worker process: solves one request after the other for the server that started it, and ends with it.

`python -m inferno_optimizer.worker SOCKET LIMIT_SECONDS LOG_LEVEL`. A thread reads what the server sends, so
that a request can be interrupted while it is solved.
"""

import contextlib
import gc
import os
import queue
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from ortools.util.python.solve_interrupter import SolveInterrupter

from inferno_optimizer.endpoints import ENDPOINTS
from inferno_optimizer.frames import INTERRUPT, READY, REQUEST, answer_frame, exactly
from inferno_optimizer.quiet import silence_scip
from inferno_shared.service import configure_logging

OOM_SCORE: Final = "500"
"""Where memory runs out, the kernel ends a worker rather than the server, which replaces it."""

GC_THRESHOLDS: Final = (20_000, 20, 20)
"""A plan makes many small objects and hardly any cycles: looking for those took a tenth of its time."""


class Job(NamedTuple):
    """A request to be answered."""

    endpoint: int
    body: bytes
    interrupter: SolveInterrupter


def main() -> None:
    """Serve the other end of the socket until it is closed."""
    _, descriptor, limit_seconds, log_level = sys.argv
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to act upon
    configure_logging(log_level)
    silence_scip()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, encoding="ascii")
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    server = socket.socket(fileno=int(descriptor))
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(server, jobs), daemon=True).start()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        server.sendall(READY)
        while True:
            server.sendall(_answered(jobs.get(), float(limit_seconds)))


def _answered(job: Job, limit_seconds: float) -> bytes:
    begun = time.process_time()
    answer = ENDPOINTS[job.endpoint].answer(job.body, limit_seconds, job.interrupter)
    return answer_frame(replace(answer, cpu_seconds=time.process_time() - begun))


def _listen(server: socket.socket, jobs: "queue.SimpleQueue[Job]") -> None:
    """Pass requests on and interrupt them; when the server has gone, end at once, solving or not."""
    interrupter = SolveInterrupter()
    try:
        while True:
            endpoint, length = REQUEST.unpack(exactly(server.recv, REQUEST.size))
            if endpoint == INTERRUPT:
                interrupter.interrupt()
            else:
                interrupter = SolveInterrupter()
                jobs.put(Job(endpoint, exactly(server.recv, length), interrupter))
    except (EOFError, OSError):
        os._exit(0)


if __name__ == "__main__":
    main()
