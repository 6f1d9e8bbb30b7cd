"""Reads what a benchmark measured: CSV with named columns, or the JSON that `vllm bench serve` saves.

What matters is how many requests the server worked on together, not how many the client meant to keep open.
By Little's law that is (requests per second) * (seconds from arrival to the last token), so that the ramps at
both ends of a run do no harm. Worked example: 2 requests/s of 60 + 199 * 21 ms each are 8.48 requests.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLUMNS = "concurrency or batch, itl_ms; optional: ttft_ms, input_tokens, output_tokens"


class UnreadableMeasurementError(Exception):
    """A file has no usable measurement; the message says which and what is missing."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One steady run.

    Args:
        batch: mean number of requests in the server; none of them may wait.
        itl_ms: mean time between two tokens of a request.
        ttft_ms: mean time to first token.
        input_tokens: mean per request.
        output_tokens: mean per request.
    """

    batch: float
    itl_ms: float
    ttft_ms: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None


def read(paths: Iterable[Path]) -> list[Measurement]:
    """Every measurement of every file, the smallest batch first.

    Raises:
        UnreadableMeasurementError: a file cannot be used.
    """
    return sorted((m for path in paths for m in _read_one(path)), key=lambda it: (it.batch, it.itl_ms))


def _read_one(path: Path) -> list[Measurement]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return [_of_bench(json.loads(text))]
        return [_of_row(row) for row in csv.DictReader(text.splitlines())]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableMeasurementError(
            f"{path}: {type(error).__name__}: {error}; expected the JSON that `vllm bench serve "
            f"--save-result` writes, or CSV with the columns {COLUMNS}"
        ) from error


def _of_row(row: Mapping[str, str | None]) -> Measurement:
    batch = row.get("batch") or row.get("concurrency")
    if not batch:
        raise KeyError("concurrency")
    return _checked(
        Measurement(
            float(batch),
            float(row["itl_ms"] or "nan"),
            *(_optional(row.get(name)) for name in ("ttft_ms", "input_tokens", "output_tokens")),
        )
    )


def _of_bench(result: Mapping[str, Any]) -> Measurement:
    """What `vllm bench serve` saved; a run without a request that ended is of no use."""
    completed, itl_ms = int(result["completed"]), float(result["mean_itl_ms"])
    if not completed:
        raise ValueError("no request was completed")
    ttft_ms, output_tokens = float(result["mean_ttft_ms"]), float(result["total_output_tokens"]) / completed
    return _checked(
        Measurement(
            batch=in_service(completed / float(result["duration"]), ttft_ms, itl_ms, output_tokens),
            itl_ms=itl_ms,
            ttft_ms=ttft_ms,
            input_tokens=float(result["total_input_tokens"]) / completed,
            output_tokens=output_tokens,
        )
    )


def in_service(requests_per_second: float, ttft_ms: float, itl_ms: float, output_tokens: float) -> float:
    """Mean number of requests in the server, by Little's law."""
    return requests_per_second * (ttft_ms + (output_tokens - 1) * itl_ms) / 1_000


def _optional(value: float | str | None) -> float | None:
    return None if value is None or value == "" else float(value)


def _checked(measurement: Measurement) -> Measurement:
    if not (measurement.batch > 0 and measurement.itl_ms > 0):
        raise ValueError(f"batch {measurement.batch} and itl_ms {measurement.itl_ms} must be above 0")
    return measurement
