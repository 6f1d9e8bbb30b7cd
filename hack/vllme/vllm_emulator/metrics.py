"""What vLLM tells Prometheus, under vLLM's names, labels and bucket bounds, new or old.

Times are the engine's own, so they are exact whatever the machine's load; gauges are read when scraped.
"""

import enum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from vllm_emulator.engine import Engine, Token

FIRST_TOKEN_SECONDS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
    1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
TOKEN_GAP_SECONDS = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75,
    1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
REQUEST_SECONDS = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0,
    30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0,
)  # fmt: skip


class MetricNames(enum.StrEnum):
    """vLLM renamed some metrics on the way from its engine V0 to V1."""

    NEW = "new"
    OLD = "old"


class FinishedReason(enum.StrEnum):
    """Why a request ended, as vLLM labels it."""

    STOP = "stop"
    LENGTH = "length"
    ABORT = "abort"


def one_two_five(limit: int) -> tuple[int, ...]:
    """Bounds 1, 2, 5, 10, 20, 50 … up to `limit`, as vLLM has for numbers of tokens."""
    bounds = [digit * 10**exponent for exponent in range(len(str(limit))) for digit in (1, 2, 5)]
    return tuple(bound for bound in bounds if bound <= limit)


class VllmMetrics:
    """The metrics of one replica, in a registry of its own."""

    def __init__(
        self, engine: Engine, *, model_name: str, names: MetricNames, max_model_len: int, kv_cache_tokens: int
    ) -> None:
        self.registry = CollectorRegistry()
        self._labels = {"model_name": model_name} | ({"engine": "0"} if names is MetricNames.NEW else {})
        new = names is MetricNames.NEW
        self._add_gauges(engine, "kv_cache_usage_perc" if new else "gpu_cache_usage_perc", kv_cache_tokens)
        finished = Counter(
            "vllm:request_success",
            "Count of successfully processed requests.",
            [*self._labels, "finished_reason"],
            registry=self.registry,
        )
        self._finished = {
            reason: finished.labels(**self._labels, finished_reason=reason.value) for reason in FinishedReason
        }
        self._prompt_tokens_total = self._counter("prompt_tokens", "Number of prefill tokens processed.")
        self._generation_tokens_total = self._counter(
            "generation_tokens", "Number of generation tokens processed."
        )
        token_bounds = one_two_five(max_model_len)
        self._prompt_tokens = self._histogram(
            "request_prompt_tokens", "Prefill tokens per request.", token_bounds
        )
        self._generation_tokens = self._histogram(
            "request_generation_tokens", "Generation tokens per request.", token_bounds
        )
        self._first_token = self._histogram(
            "time_to_first_token_seconds", "Time from arrival to the first token.", FIRST_TOKEN_SECONDS
        )
        self._token_gap = self._histogram(
            "inter_token_latency_seconds" if new else "time_per_output_token_seconds",
            "Time between two tokens of a request.",
            TOKEN_GAP_SECONDS,
        )
        self._queue_time = self._histogram(
            "request_queue_time_seconds", "Time spent waiting for a place in the batch.", REQUEST_SECONDS
        )
        self._request_time = self._histogram(
            "e2e_request_latency_seconds", "Time from arrival to the last token.", REQUEST_SECONDS
        )

    def token(self, token: Token) -> None:
        """Count one token that came."""
        self._generation_tokens_total.inc()
        if token.number == 1:
            self._first_token.observe(token.gap_ms / 1000)
            self._prompt_tokens_total.inc(token.job.input_tokens)
        else:
            self._token_gap.observe(token.gap_ms / 1000)
        if token.last:
            self._complete(token)

    def aborted(self) -> None:
        """Count a request that its client gave up."""
        self._finished[FinishedReason.ABORT].inc()

    def _complete(self, token: Token) -> None:
        job = token.job
        self._finished[FinishedReason.LENGTH if job.capped else FinishedReason.STOP].inc()
        self._prompt_tokens.observe(job.input_tokens)
        self._generation_tokens.observe(job.output_tokens)
        self._queue_time.observe(token.wait_ms / 1000)
        self._request_time.observe((token.at_ms - job.arrived_ms) / 1000)

    def _add_gauges(self, engine: Engine, cache_name: str, kv_cache_tokens: int) -> None:
        def gauge(name: str, text: str) -> Gauge:
            parent = Gauge(f"vllm:{name}", text, list(self._labels), registry=self.registry)
            return parent.labels(**self._labels)

        gauge("num_requests_running", "Number of requests in model execution batches.").set_function(
            lambda: engine.running
        )
        gauge("num_requests_waiting", "Number of requests waiting to be processed.").set_function(
            lambda: engine.waiting
        )
        gauge(cache_name, "KV-cache usage. 1 means 100 percent usage.").set_function(
            lambda: min(1.0, engine.cached_tokens / kv_cache_tokens)
        )

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"vllm:{name}", text, list(self._labels), registry=self.registry).labels(
            **self._labels
        )

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        parent = Histogram(f"vllm:{name}", text, list(self._labels), registry=self.registry, buckets=buckets)
        return parent.labels(**self._labels)
