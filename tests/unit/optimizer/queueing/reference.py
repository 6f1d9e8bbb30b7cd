"""The chain computed slowly and independently: plain Python, every state 0 .. K, formulas as they stand.

No closed forms, no numpy, nothing of the package but the pair that describes the question.
"""

import math
from dataclasses import dataclass

from inferno_optimizer.queueing import Pair
from inferno_shared.contracts import ChunkedPrefillParameters, LinearParameters, PrefillDecodeParameters

TOKEN_BUDGET = 8192


@dataclass(frozen=True)
class Answer:
    """Means in ms, rates per ms."""

    throughput: float
    blocking: float
    in_system: float
    in_service: float
    service_ms: float
    wait_ms: float
    itl_ms: float
    prefill_ms: float
    utilization: float


def capacity(pair: Pair) -> int:
    """K."""
    if pair.max_queue_size is not None:
        return pair.max_batch_size + pair.max_queue_size
    return pair.max_batch_size * (10 if isinstance(pair.parameters, LinearParameters) else 11)


def departure_rate(pair: Pair, n: int) -> float:
    """mu(n) per ms, for n <= N."""
    p, m, tokens_in = pair.parameters, pair.output_tokens, pair.input_tokens
    if isinstance(p, LinearParameters):
        return n / (m * (p.alpha + p.beta * n))
    if isinstance(p, PrefillDecodeParameters):
        prefill = p.gamma + p.delta * tokens_in * n if tokens_in else 0.0
        return n / (prefill + (m - 1) * (p.alpha + p.beta * n))
    c = chunks(pair, n)
    return n / ((c + m) * (p.alpha + n * _delta(pair, c)))


def probabilities(pair: Pair, rate: float) -> list[float]:
    """p_0 .. p_K at `rate` arrivals per ms."""
    logs = [0.0]
    for n in range(1, capacity(pair) + 1):
        logs.append(logs[-1] + math.log(rate / departure_rate(pair, min(n, pair.max_batch_size))))
    largest = max(logs)
    weights = [math.exp(x - largest) for x in logs]
    total = math.fsum(weights)
    return [w / total for w in weights]


def answer(pair: Pair, rate: float) -> Answer:
    """Everything at `rate` arrivals per ms."""
    p, n_max = probabilities(pair, rate), pair.max_batch_size
    throughput = rate * math.fsum(p[:-1])
    in_service = math.fsum(min(n, n_max) * x for n, x in enumerate(p))
    service_ms = in_service / throughput
    itl_ms, prefill_ms = _latencies(pair, service_ms, in_service)
    linear = isinstance(pair.parameters, LinearParameters)
    return Answer(
        throughput=throughput,
        blocking=p[-1],
        in_system=math.fsum(n * x for n, x in enumerate(p)),
        in_service=in_service,
        service_ms=service_ms,
        wait_ms=math.fsum((n - n_max) * x for n, x in enumerate(p) if n > n_max) / throughput,
        itl_ms=itl_ms,
        prefill_ms=prefill_ms,
        utilization=math.fsum(p[1:]) if linear else in_service / n_max,
    )


def wait_survival(pair: Pair, rate: float, t_ms: float) -> float:
    """P(an accepted request waits longer than t): an Erlang(n - N + 1) time for each n >= N that it finds."""
    p, n_max = probabilities(pair, rate), pair.max_batch_size
    x = departure_rate(pair, n_max) * t_ms
    late = erlang = 0.0
    for j, share in enumerate(p[n_max:-1]):
        erlang += math.exp(j * math.log(x) - x - math.lgamma(j + 1)) if x else float(j == 0)
        late += share * min(erlang, 1.0)
    return late / math.fsum(p[:-1])


def token_share_within(pair: Pair, rate: float, itl_ms: float) -> float:
    """Share of the tokens whose decode step alpha + beta s takes at most `itl_ms` (models A and B)."""
    assert not isinstance(pair.parameters, ChunkedPrefillParameters)
    alpha, beta = pair.parameters.alpha, pair.parameters.beta
    good = total = 0.0
    for n, x in enumerate(probabilities(pair, rate)):
        s = min(n, pair.max_batch_size)
        tokens = x * s / (alpha + beta * s)
        total += tokens
        good += tokens if alpha + beta * s <= itl_ms else 0.0
    return good / total


def chunks(pair: Pair, batch: int) -> int:
    """Least c with Bmax(c) >= B, by trying (model C)."""
    n, m, c = pair.input_tokens, pair.output_tokens, 1
    while math.floor((c + m) * (TOKEN_BUDGET - n / c) / (n + m)) < batch:
        c += 1
    return c


def _delta(pair: Pair, c: int) -> float:
    p, n, m = pair.parameters, pair.input_tokens, pair.output_tokens
    assert isinstance(p, ChunkedPrefillParameters)
    decode_work = p.beta * m + p.gamma * m * (n + (m + 1) / 2)
    return (_prefill_work(pair, c) + decode_work) / (c + m)


def _prefill_work(pair: Pair, c: int) -> float:
    p = pair.parameters
    assert isinstance(p, ChunkedPrefillParameters)
    return (p.beta + p.gamma * (c + 1) / 2) * pair.input_tokens


def _latencies(pair: Pair, service_ms: float, in_service: float) -> tuple[float, float]:
    """(ITL, time from the end of the wait to the first token)."""
    p, m, tokens_in = pair.parameters, pair.output_tokens, pair.input_tokens
    if isinstance(p, LinearParameters):
        return service_ms / m, 0.0
    if isinstance(p, PrefillDecodeParameters):
        gamma, slope = (p.gamma, p.delta * tokens_in) if tokens_in else (0.0, 0.0)
        divisor = slope + p.beta * (m - 1)
        batch = (service_ms - gamma - p.alpha * (m - 1)) / divisor if divisor else 0.0
        batch = min(max(batch, 0.0), pair.max_batch_size)
        return p.alpha + p.beta * batch, gamma + slope * batch
    batch = max(in_service, 1.0)
    c = chunks(pair, math.floor(batch + 0.5))
    others = max(0.0, p.alpha + (batch - 1) * _delta(pair, c))
    prefill = c * others + _prefill_work(pair, c)
    itl = (service_ms - prefill) / m
    return itl, prefill + itl
