"""Sizing speed and memory: all pairs at once against one pair at a time in plain Python, in the same run.

    .venv/bin/python tests/bench/bench_sizing.py [--quick]

The naive sizing walks the states 0 .. K of each pair at each of 40 bisections; it is timed on a sample and
scaled to the number of pairs. Both must agree on lambda*. The goal is 4,000 pairs at N = 256 within 0.5 s.
"""

import argparse
import math
import random
import resource
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from inferno_optimizer.queueing import Pair, SizingPolicy, predict, size
from inferno_shared.contracts import (
    ChunkedPrefillParameters,
    ItlReading,
    LinearParameters,
    PrefillDecodeParameters,
    TtftReading,
)

NAIVE_BISECTIONS = 40
NAIVE_SECONDS = 1.0
REPEATS = 3
AGREEMENT = 1e-6


@dataclass(frozen=True)
class Case:
    name: str
    pairs: list[Pair]
    policy: SizingPolicy


@dataclass(frozen=True)
class Result:
    seconds: float
    peak_mib: float
    naive_seconds: float | None
    naive_sample: int
    worst_difference: float | None


def main() -> int:
    """Print the table; the exit code is 1 if the two sizings disagree."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the pairs")
    scale = 10 if parser.parse_args().quick else 1
    table = Table("case", "pairs", "seconds", "peak MiB", "naive, seconds", "times faster", "differs by")
    agree = True
    for case in cases(scale):
        result = measure(case)
        agree &= (result.worst_difference or 0.0) < AGREEMENT
        table.add_row(case.name, f"{len(case.pairs):,}", *cells(result))
    console = Console(width=120)
    console.print(table)
    console.print(
        f"best of {REPEATS}; naive: plain Python, model A with mean readings only, scaled from a sample; "
        f"process peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"
    )
    return 0 if agree else 1


def cases(scale: int) -> list[Case]:
    seed = SizingPolicy()
    exact = SizingPolicy(ttft_reading=TtftReading.EXACT)
    quantile = SizingPolicy(itl_reading=ItlReading.QUANTILE)
    mixed = SizingPolicy(TtftReading.EXACT, 0.99, ItlReading.QUANTILE, 0.99)
    return [
        Case("A, N = 256 (goal 0.5 s)", made_up_pairs(4000 // scale, linear, lambda: 256), seed),
        Case("A, N = 256, exact TTFT", made_up_pairs(4000 // scale, linear, lambda: 256), exact),
        Case("A, N = 256, quantile ITL", made_up_pairs(4000 // scale, linear, lambda: 256), quantile),
        Case("B, N = 256", made_up_pairs(4000 // scale, prefill_decode, lambda: 256), seed),
        Case("C, N = 256", made_up_pairs(4000 // scale, chunked_prefill, lambda: 256), seed),
        Case("A, N = 64", made_up_pairs(40_000 // scale, linear, lambda: 64), seed),
        Case("A, N = 8192, K = 81920", made_up_pairs(400 // scale, linear, lambda: 8192), seed),
        Case("A, B, C, N 1 to 8192, 99th percentiles", mixed_pairs(4000 // scale), mixed),
    ]


def measure(case: Case) -> Result:
    seconds = min(timed(lambda: size(case.pairs, case.policy)) for _ in range(REPEATS))
    tracemalloc.start()
    size(case.pairs, case.policy)
    peak_mib = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    if case.policy != SizingPolicy() or not isinstance(case.pairs[0].parameters, LinearParameters):
        return Result(seconds, peak_mib, None, 0, None)
    naive: list[float] = []
    start = time.perf_counter()
    while time.perf_counter() - start < NAIVE_SECONDS and len(naive) < len(case.pairs):
        naive.append(naive_max_rate_rpm(case.pairs[len(naive)]))
    per_pair = (time.perf_counter() - start) / len(naive)
    fast = [sizing.max_rate_rpm for sizing in size(case.pairs[: len(naive)], case.policy)]
    worst = max(abs(a - b) / b for a, b in zip(fast, naive, strict=True))
    return Result(seconds, peak_mib, per_pair * len(case.pairs), len(naive), worst)


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def cells(result: Result) -> tuple[str, ...]:
    own = f"{result.seconds:.3f}", f"{result.peak_mib:.1f}"
    if result.naive_seconds is None:
        return (*own, "", "", "")
    return (
        *own,
        f"{result.naive_seconds:,.0f} (sample {result.naive_sample})",
        f"{result.naive_seconds / result.seconds:,.0f}",
        f"{result.worst_difference:.0e}",
    )


def naive_max_rate_rpm(pair: Pair) -> float:
    """lambda* of a model A pair with both targets, ITL as a mean and TTFT as wait x ln 20."""
    p, m, n_max = pair.parameters, pair.output_tokens, pair.max_batch_size
    mu = [n / (m * (p.alpha + p.beta * n)) for n in range(1, n_max + 1)]
    low, high = 0.001 * mu[0], 0.999 * mu[-1]
    if naive_meets(pair, mu, high):
        return high * 60_000
    for _ in range(NAIVE_BISECTIONS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if naive_meets(pair, mu, middle) else (low, middle)
    return low * 60_000


def naive_meets(pair: Pair, mu: Sequence[float], rate: float) -> bool:
    logs = [0.0]
    for n in range(1, 10 * len(mu) + 1):
        logs.append(logs[-1] + math.log(rate / mu[min(n, len(mu)) - 1]))
    largest = max(logs)
    weights = [math.exp(x - largest) for x in logs]
    throughput = rate * sum(weights[:-1])
    in_service = sum(min(n, len(mu)) * w for n, w in enumerate(weights))
    waiting = sum((n - len(mu)) * w for n, w in enumerate(weights) if n > len(mu))
    itl_ms, wait_ms = in_service / throughput / pair.output_tokens, waiting / throughput
    return itl_ms <= (pair.itl_ms or math.inf) and wait_ms * math.log(20) <= (pair.ttft_ms or math.inf)


DRAW = random.Random(0).uniform  # noqa: S311 - made-up profiles, no secrets
Parameters = LinearParameters | PrefillDecodeParameters | ChunkedPrefillParameters


def linear() -> Parameters:
    return LinearParameters(alpha=DRAW(5, 40), beta=DRAW(0.01, 0.5))


def prefill_decode() -> Parameters:
    return PrefillDecodeParameters(
        alpha=DRAW(5, 40), beta=DRAW(0.01, 0.5), gamma=DRAW(0, 300), delta=DRAW(0.001, 0.05)
    )


def chunked_prefill() -> Parameters:
    return ChunkedPrefillParameters(alpha=DRAW(5, 40), beta=DRAW(0.01, 0.1), gamma=DRAW(1e-5, 1e-3))


def made_up_pairs(count: int, parameters: Callable[[], Parameters], batch: Callable[[], int]) -> list[Pair]:
    """Pairs whose targets are met when idle and, for the most part, missed when full."""
    bare = [Pair(parameters(), batch(), None, DRAW(10, 2000), DRAW(50, 1000)) for _ in range(count)]
    idle = predict(bare, [0.0] * count)
    return [
        Pair(
            pair.parameters,
            pair.max_batch_size,
            None,
            pair.input_tokens,
            pair.output_tokens,
            itl_ms=rest.itl_ms * DRAW(1.05, 3),
            ttft_ms=rest.prefill_ms * 2 + DRAW(100, 3000),
        )
        for pair, rest in zip(bare, idle, strict=True)
    ]


def mixed_pairs(count: int) -> list[Pair]:
    """All models, batch sizes log-uniform from 1 to 8192, shuffled."""

    def batch() -> int:
        return int(2 ** DRAW(0, 13))

    models = (linear, prefill_decode, chunked_prefill)
    pairs = [pair for model in models for pair in made_up_pairs(count // 3, model, batch)]
    random.Random(1).shuffle(pairs)  # noqa: S311 - as above
    return pairs


if __name__ == "__main__":
    raise SystemExit(main())
