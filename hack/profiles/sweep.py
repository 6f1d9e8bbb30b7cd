"""Measures an OpenAI-compatible server at several concurrencies: a closed loop, answers streamed.

    python -m profiles.sweep --url http://localhost:8000/v1 --model my/model --output runs.csv

`vllm bench serve` measures the same and more; this needs nothing but the project.
"""

import asyncio
import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Annotated

import httpx
import typer

from profiles.measurements import in_service

REQUEST_SECONDS = 300.0


@dataclass(slots=True)
class Answers:
    """What one run saw."""

    ttft_ms: list[float] = field(default_factory=list)
    gaps_ms: list[float] = field(default_factory=list)


async def measure(
    client: httpx.AsyncClient, *, model: str, concurrency: int, requests_each: int, words: int, tokens: int
) -> dict[str, float]:
    """One row of the CSV. `concurrency` clients ask one request after the other, `requests_each` times."""
    answers, began = Answers(), time.perf_counter()
    body = {
        "model": model,
        "prompt": " ".join(["hello"] * words),
        "max_tokens": tokens,
        "ignore_eos": True,
        "stream": True,
    }

    async def ask() -> None:
        for _ in range(requests_each):
            await _stream(client, body, answers)

    await asyncio.gather(*(ask() for _ in range(concurrency)))
    seconds = time.perf_counter() - began
    itl_ms, ttft_ms = fmean(answers.gaps_ms), fmean(answers.ttft_ms)
    return {
        "concurrency": concurrency,
        "batch": round(in_service(len(answers.ttft_ms) / seconds, ttft_ms, itl_ms, tokens), 3),
        "itl_ms": round(itl_ms, 4),
        "ttft_ms": round(ttft_ms, 3),
        "input_tokens": words,
        "output_tokens": tokens,
    }


async def _stream(client: httpx.AsyncClient, body: dict[str, object], answers: Answers) -> None:
    before = time.perf_counter()
    first = True
    async with client.stream("POST", "completions", json=body) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            now = time.perf_counter()
            (answers.ttft_ms if first else answers.gaps_ms).append((now - before) * 1_000)
            first, before = False, now


async def sweep(
    url: str, model: str, concurrencies: Sequence[int], *, requests_each: int, words: int, tokens: int
) -> list[dict[str, float]]:
    """One run after the other, after one request to warm up."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=REQUEST_SECONDS, limits=limits) as client:
        await measure(client, model=model, concurrency=1, requests_each=1, words=words, tokens=tokens)
        return [
            await measure(
                client,
                model=model,
                concurrency=concurrency,
                requests_each=requests_each,
                words=words,
                tokens=tokens,
            )
            for concurrency in concurrencies
        ]


def main(
    url: Annotated[str, typer.Option(help="base address of the API")],
    model: Annotated[str, typer.Option(help="model to ask")],
    output: Annotated[Path, typer.Option(help="CSV to write")],
    concurrency: Annotated[str, typer.Option(help="concurrencies, with commas")] = "1,2,4,8,16,32",
    requests_each: Annotated[int, typer.Option(min=1, help="requests of each client and run")] = 4,
    words: Annotated[int, typer.Option(min=1, help="words in a prompt")] = 150,
    tokens: Annotated[int, typer.Option(min=2, help="tokens of an answer")] = 200,
) -> None:
    """Measure, and write a CSV for `python -m profiles`."""
    chosen = [int(part) for part in concurrency.split(",")]
    rows = asyncio.run(
        sweep(url.rstrip("/") + "/", model, chosen, requests_each=requests_each, words=words, tokens=tokens)
    )
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} runs in {output}")


if __name__ == "__main__":
    typer.run(main)
