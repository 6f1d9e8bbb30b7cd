"""Decides which request gets a token when: continuous batching, one token per request and decode step.

Pure: time comes in as an argument (ms, from any origin), so an hour of serving can be simulated in a second,
and a late caller loses nothing, because each step starts exactly where the one before it ended.
"""

import dataclasses
from typing import NamedTuple


class QueueFullError(Exception):
    """The batch and the waiting room are full: the request was not taken."""


@dataclasses.dataclass(frozen=True, slots=True)
class Profile:
    """How fast one replica is and how much it holds.

    A decode step with n requests in the batch takes `alpha_ms` + `beta_ms`·n. The prompt of a request that
    joins a batch of n (itself included) takes `gamma_ms` + `delta_ms`·input_tokens·n; the others go on.
    """

    alpha_ms: float = 20.58
    beta_ms: float = 0.41
    gamma_ms: float = 0.0
    delta_ms: float = 0.0
    max_batch_size: int = 4
    max_waiting: int = 1000

    def decode_ms(self, batch_size: int) -> float:
        """Length of one decode step; with the defaults and one request 20.99 ms."""
        return self.alpha_ms + self.beta_ms * batch_size

    def prefill_ms(self, input_tokens: int, batch_size: int) -> float:
        """Time from joining the batch until the prompt is read."""
        return self.gamma_ms + self.delta_ms * input_tokens * batch_size


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One request as the engine sees it."""

    job_id: int
    arrived_ms: float
    input_tokens: int
    output_tokens: int
    capped: bool = False  # its length was set by the client's max_tokens


class Token(NamedTuple):
    """One output token: when it came, and what the metrics want to know about it."""

    job: Job
    at_ms: float
    number: int  # 1 is the first
    gap_ms: float  # since the token before; for the first one since the arrival, which is the TTFT
    wait_ms: float  # from the arrival to joining the batch

    @property
    def last(self) -> bool:
        """True when the request is complete."""
        return self.number == self.job.output_tokens


@dataclasses.dataclass(slots=True)
class _Slot:
    """A request in the batch."""

    job: Job
    joined_ms: float
    prefill_ends_ms: float
    token_at_ms: float
    produced: int = 0


class Engine:
    """One replica: a batch that requests join and leave at the ends of steps, and a FIFO queue before it."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._waiting: dict[int, Job] = {}
        self._running: dict[int, _Slot] = {}
        self._step_ends_ms: float | None = None

    @property
    def step_ends_ms(self) -> float | None:
        """When `advance` next has something to do; None when idle."""
        return self._step_ends_ms

    @property
    def running(self) -> int:
        """Requests in the batch."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    @property
    def cached_tokens(self) -> int:
        """Tokens in the KV cache: prompts and outputs so far of the requests in the batch."""
        return sum(slot.job.input_tokens + slot.produced for slot in self._running.values())

    def submit(self, job: Job) -> None:
        """Take a request that arrives now. Steps that ended before must have been collected by `advance`.

        Raises:
            QueueFullError: `max_batch_size` + `max_waiting` requests are here already.
            ValueError: a step has ended before this arrival, so that its tokens would be lost.
        """
        if self._step_ends_ms is not None and self._step_ends_ms < job.arrived_ms:
            raise ValueError(
                f"advance({job.arrived_ms}) before submitting a job that arrives then: "
                f"a step ended at {self._step_ends_ms}"
            )
        limit = self._profile.max_batch_size + self._profile.max_waiting
        if len(self._running) + len(self._waiting) >= limit:
            raise QueueFullError
        self._waiting[job.job_id] = job
        if self._step_ends_ms is None:
            self._start_step(job.arrived_ms)

    def cancel(self, job_id: int) -> None:
        """Forget a request, wherever it is. A step under way ends as planned, as on a GPU."""
        self._waiting.pop(job_id, None)
        self._running.pop(job_id, None)

    def advance(self, now_ms: float) -> list[Token]:
        """End every step that is over by `now_ms`; its tokens in the order in which they came."""
        tokens: list[Token] = []
        while self._step_ends_ms is not None and self._step_ends_ms <= now_ms:
            ended_ms = self._step_ends_ms
            self._end_step(ended_ms, tokens)
            self._start_step(ended_ms)
        return tokens

    def _end_step(self, ended_ms: float, tokens: list[Token]) -> None:
        """One token for every request whose prompt is read; complete requests leave."""
        complete = []
        for slot in self._running.values():
            if slot.prefill_ends_ms > ended_ms:
                continue
            slot.produced += 1
            job = slot.job
            tokens.append(
                Token(
                    job, ended_ms, slot.produced, ended_ms - slot.token_at_ms, slot.joined_ms - job.arrived_ms
                )
            )
            slot.token_at_ms = ended_ms
            if slot.produced == job.output_tokens:
                complete.append(job.job_id)
        for job_id in complete:
            del self._running[job_id]

    def _start_step(self, now_ms: float) -> None:
        """Let the queue's head join while there is room, then begin a step, or rest when nobody is there."""
        joined = []
        while self._waiting and len(self._running) < self._profile.max_batch_size:
            job = self._waiting.pop(next(iter(self._waiting)))
            self._running[job.job_id] = slot = _Slot(job, now_ms, now_ms, job.arrived_ms)
            joined.append(slot)
        batch_size = len(self._running)
        for slot in joined:
            slot.prefill_ends_ms = now_ms + self._profile.prefill_ms(slot.job.input_tokens, batch_size)
        self._step_ends_ms = now_ms + self._profile.decode_ms(batch_size) if batch_size else None
