"""What is asked of the queueing model and what it answers: one pair is one variant on one accelerator.

Rates are requests per minute and replica, latencies milliseconds, tokens means per request.
"""

from dataclasses import dataclass
from typing import Literal, Self

from inferno_shared.contracts import (
    ChunkedPrefillParameters,
    ItlReading,
    LinearParameters,
    Policy,
    PrefillDecodeParameters,
    TtftReading,
)
from inferno_shared.contracts.wire import MAX_BATCH_SIZE

Binding = Literal["itl", "ttft", "tokens_per_second", "saturation"]


@dataclass(frozen=True, slots=True)
class Pair:
    """One replica of a variant on an accelerator, the tokens of its requests, and its targets.

    `max_batch_size` is N >= 1. `max_queue_size` is the waiting room K - N; None is the model's default and 0
    turns away whoever finds all N places taken. `output_tokens` 0 (no request was seen yet) is read as 1.
    A target that is None is not promised.
    """

    parameters: LinearParameters | PrefillDecodeParameters | ChunkedPrefillParameters
    max_batch_size: int
    max_queue_size: int | None
    input_tokens: float
    output_tokens: float
    itl_ms: float | None = None
    ttft_ms: float | None = None
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class SizingPolicy:
    """How the targets are read; the defaults are the seed's."""

    ttft_reading: TtftReading = TtftReading.EXPONENTIAL
    ttft_percentile: float = 0.95
    itl_reading: ItlReading = ItlReading.MEAN
    itl_percentile: float = 0.95

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """The part of a plan's policy that sizing depends on."""
        return cls(
            ttft_reading=policy.ttft_reading,
            ttft_percentile=policy.ttft_percentile,
            itl_reading=policy.itl_reading,
            itl_percentile=policy.itl_percentile,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest rate (requests/min) that meets each target by itself; None: not promised or never met."""

    itl: float | None
    ttft: float | None
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class Sizing:
    """How much one replica can take.

    `max_rate_rpm` is lambda*, the largest arrival rate that meets every target, and `capacity_rpm` what the
    replica completes there, X(lambda*): a request that finds the queue full is not served. Both are 0 when a
    target cannot be met at any rate; `miss` then says which, in a sentence. `binding` names the target that
    set lambda* (or was missed), or "saturation" when no target did. `saturation_rpm` is 0.999 mu(N), the
    largest rate that is considered at all.
    """

    feasible: bool
    max_rate_rpm: float
    capacity_rpm: float
    limits_rpm: Limits
    binding: Binding
    miss: str | None
    saturation_rpm: float


@dataclass(frozen=True, slots=True)
class Performance:
    """What one replica does at a given arrival rate.

    `itl_ms`, `wait_ms` and `ttft_ms` are means; `prefill_ms` is the part of the TTFT between the end of the
    wait and the first token. `in_service` and `in_system` are mean numbers of requests (Ls and L), `blocking`
    is the share of arrivals turned away (p_K). `itl_read_ms` and `ttft_read_ms` are what targets are held
    against: means or percentiles, as the policy reads them.
    """

    itl_ms: float
    wait_ms: float
    ttft_ms: float
    prefill_ms: float
    response_ms: float
    utilization: float
    throughput_rpm: float
    blocking: float
    in_service: float
    in_system: float
    itl_read_ms: float
    ttft_read_ms: float


def batch_size(
    profile_batch: int, at_tokens: int | None, server_batch: int | None, output_tokens: float | None
) -> int:
    """Batch size N of a replica: the server's own setting, else the profile's, scaled to the output tokens.

    A profile measured with batch 256 at 512 output tokens holds max(1, 256 * 512 // 1000) = 131 requests of
    1,000 tokens. Unscaled when `at_tokens` or the load's output tokens are not known. Never above the
    largest batch size that a profile may state.
    """
    if server_batch is not None:
        return server_batch
    if at_tokens is None or not output_tokens:
        return profile_batch
    return int(min(max(1, profile_batch * at_tokens // output_tokens), MAX_BATCH_SIZE))
