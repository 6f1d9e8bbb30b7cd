"""Builders of scraped histories: a row is a time and a few numbers."""

from typing import Any

from inferno_collector.samples import History, Metric

_COLUMNS = {
    "done": Metric.COMPLETED,
    "running": Metric.RUNNING,
    "waiting": Metric.WAITING,
    "prompt": Metric.PROMPT_TOKENS_SUM,
    "prompts": Metric.PROMPT_TOKENS_COUNT,
    "tokens": Metric.GENERATION_TOKENS_SUM,
    "generations": Metric.GENERATION_TOKENS_COUNT,
    "queue": Metric.QUEUE_SECONDS_SUM,
    "queues": Metric.QUEUE_SECONDS_COUNT,
    "ttft": Metric.TTFT_SECONDS_SUM,
    "ttfts": Metric.TTFT_SECONDS_COUNT,
    "itl": Metric.ITL_SECONDS_SUM,
    "itls": Metric.ITL_SECONDS_COUNT,
}


def row(at: float, **values: float) -> tuple[float, dict[Metric, float]]:
    """One scrape; `tokens` for each completion unless told otherwise: 100 in, 200 out."""
    done = values.get("done")
    if done is not None:
        values = {
            "prompt": 100 * done,
            "prompts": done,
            "tokens": 200 * done,
            "generations": done,
            "running": 0,
            "waiting": 0,
        } | values
    return at, {_COLUMNS[name]: value for name, value in values.items()}


def history(*rows: tuple[float, dict[Metric, float]]) -> History:
    """A history of `row(...)`s."""
    return History.of(rows)


def steady(rate_rpm: float, *, until: float = 60.0, every: float = 5.0, **gauges: float) -> History:
    """A pod that completes `rate_rpm` from time 0 to `until`."""
    count = int(until / every)
    return history(*(row(n * every, done=rate_rpm / 60 * n * every, **gauges) for n in range(count + 1)))


def exposition(model: str = "Qwen/Qwen3-0.6B", **values: Any) -> bytes:  # noqa: ANN401 - numbers or odd text
    """What a vLLM pod exposes: only the metrics that are named."""
    labels = f'engine="0",model_name="{model}"'
    names = {
        "running": "vllm:num_requests_running",
        "waiting": "vllm:num_requests_waiting",
        "tokens": "vllm:request_generation_tokens_sum",
        "generations": "vllm:request_generation_tokens_count",
        "prompt": "vllm:request_prompt_tokens_sum",
        "prompts": "vllm:request_prompt_tokens_count",
    }
    lines = [f"{names[key]}{{{labels}}} {value}" for key, value in values.items() if key in names]
    if "done" in values:
        lines.append(f'vllm:request_success_total{{{labels},finished_reason="stop"}} {values["done"]}')
    return ("\n".join(["# HELP x y", *lines]) + "\n").encode()
