"""The exact distribution of the wait: against the sum over states, and against a simulation."""

import math
import random
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferno_optimizer.queueing import Pair
from inferno_optimizer.queueing.block import blocks
from inferno_optimizer.queueing.chain import State
from inferno_optimizer.queueing.poisson import log_below, log_factorial
from inferno_optimizer.queueing.waiting import quantile_ms, survival
from inferno_shared.contracts import LinearParameters
from unit.optimizer.queueing import reference
from unit.optimizer.queueing.strategies import LOADS, PARAMETERS, pairs


def state_at(pair: Pair, rate_per_ms: float) -> State:
    [block] = blocks([pair])
    return block.chain.at(block.chain.theta(np.array([rate_per_ms])))


@given(pair=pairs(PARAMETERS), load=LOADS, departures=st.floats(0, 300))
@settings(max_examples=300, deadline=None)
def test_survival_equals_the_sum_over_states(pair: Pair, load: float, departures: float) -> None:
    mu_n = reference.departure_rate(pair, pair.max_batch_size)
    t_ms = departures / mu_n
    fast = survival(state_at(pair, load * mu_n), np.array([t_ms]))[0]
    assert fast == pytest.approx(reference.wait_survival(pair, load * mu_n, t_ms), rel=1e-6, abs=1e-9)


@given(
    pair=pairs(PARAMETERS),
    load=st.floats(0.3, 3),
    probability=st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999]),
)
@settings(max_examples=100, deadline=None)
def test_the_quantile_is_where_survival_crosses(pair: Pair, load: float, probability: float) -> None:
    rate = load * reference.departure_rate(pair, pair.max_batch_size)
    t_ms = quantile_ms(state_at(pair, rate), probability)[0]
    if t_ms == 0:
        assert reference.wait_survival(pair, rate, 0) <= 1 - probability + 1e-9
    else:
        assert reference.wait_survival(pair, rate, t_ms) == pytest.approx(1 - probability, rel=1e-5)


@pytest.mark.parametrize("room", [1, 2, 63, 64, 65, 66, 1000])
@pytest.mark.parametrize("load", [0.2, 1 - 1e-6, 1 - 1e-12, 1.0, 1 + 1e-9, 1.5, 2.8, 50.0])
def test_survival_holds_at_every_seam_of_the_formulas(room: int, load: float) -> None:
    pair = Pair(LinearParameters(alpha=10, beta=0), 2, room, 0, 100)
    mu_n = reference.departure_rate(pair, 2)
    for departures in (0.1, 0.5 * room, room - 1.0, 1.5 * room, 3.0 * room):
        t_ms = departures / mu_n
        fast = survival(state_at(pair, load * mu_n), np.array([t_ms]))[0]
        slow = reference.wait_survival(pair, load * mu_n, t_ms)
        assert fast == pytest.approx(slow, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("k", [1, 2, 64, 65, 700, 20_000])
@pytest.mark.parametrize("mean_over_k", [1e-9, 0.3, 0.97, 1.0, 1.01, 1.5, 8.0])
def test_poisson_distribution_equals_its_sum(k: int, mean_over_k: float) -> None:
    mean = mean_over_k * k
    logs = [i * math.log(mean) - mean - math.lgamma(i + 1) for i in range(k)]
    largest = max(logs)
    slow = largest + math.log(math.fsum(math.exp(x - largest) for x in logs))
    fast = log_below(np.array([float(k)]), np.array([mean]))[0]
    assert fast == pytest.approx(slow, rel=1e-9, abs=1e-9)


def test_log_factorial() -> None:
    k = np.array([0.0, 1, 5, 64, 65, 1000, 1e6])
    expected = [math.lgamma(x + 1) for x in k]
    np.testing.assert_allclose(log_factorial(k), expected, rtol=1e-13)


def test_a_simulated_queue_waits_as_long_as_the_formula_says() -> None:
    """Seed's profile at 30 requests/min; batches of arrivals give the standard error of the share that waits
    longer than the predicted 95th percentile. Five standard errors: a false alarm in two million runs."""
    pair = Pair(LinearParameters(alpha=20.58, beta=0.41), 4, None, 0, 279)
    rate = 30 / 60_000
    t_ms = quantile_ms(state_at(pair, rate), 0.95)[0]
    waits = simulated_waits(pair, rate, arrivals=300_000, seed=1)
    late = (np.array(waits[: 300 * (len(waits) // 300)]) > t_ms).reshape(300, -1).mean(axis=1)
    standard_error = late.std(ddof=1) / math.sqrt(late.size)
    assert standard_error < 0.003
    assert abs(late.mean() - 0.05) < 5 * standard_error


def simulated_waits(pair: Pair, rate: float, *, arrivals: int, seed: int) -> list[float]:
    """Waits (ms) of accepted requests, first come first served, event by event."""
    draw = random.Random(seed).expovariate  # noqa: S311 - a simulation, not a secret
    n_max, k = pair.max_batch_size, reference.capacity(pair)
    mu = [reference.departure_rate(pair, n) for n in range(n_max + 1)]
    queue: deque[float] = deque()
    waits: list[float] = []
    now, in_service, seen = 0.0, 0, 0
    next_arrival = draw(rate)
    next_departure = math.inf
    while seen < arrivals:
        if next_arrival < next_departure:
            now, seen = next_arrival, seen + 1
            next_arrival = now + draw(rate)
            if in_service < n_max:
                in_service += 1
                waits.append(0.0)
                next_departure = now + draw(mu[in_service])  # memoryless: drawn anew at the new rate
            elif in_service + len(queue) < k:
                queue.append(now)
        else:
            now = next_departure
            if queue:
                waits.append(now - queue.popleft())
            else:
                in_service -= 1
            next_departure = now + draw(mu[in_service]) if in_service else math.inf
    return waits
