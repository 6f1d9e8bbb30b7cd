"""The distribution of the wait in the chain itself, not of an exponential with the same mean.

An accepted request finds N + j others with probability proportional to q^j, j = 0 .. R - 1 (R = K - N, the
waiting room), and then waits for j + 1 departures: an Erlang(j + 1, mu(N)) time. With x = mu(N) t, and I the
Poisson(x) number of departures that a full replica makes in the time t,

    P(wait > t | it waits) = E[h(I)],   h(i) = (q^i - q^R) / (1 - q^R) for i < R, else 0

which follows from P(Erlang(j + 1) > x) = P(I <= j) by summing over j first. Since q^I tilts a Poisson(x) into
a Poisson(q x), with B(k, y) = P(Poisson(y) < k),

    E[h(I)] = (e^{-x(1-q)} B(R, q x) - q^R B(R, x)) / (1 - q^R).
"""

from typing import Final

import numpy as np

from inferno_optimizer.queueing.arrays import FloatArray
from inferno_optimizer.queueing.chain import State
from inferno_optimizer.queueing.poisson import log_below, log_pmf

_FLAT_BELOW: Final = 1e-7
_STEEP_ABOVE: Final = 1.0
_STEEP_TERMS: Final = 40
_HALVINGS: Final = 60


def survival(state: State, t_ms: FloatArray) -> FloatArray:
    """P(an accepted request waits longer than t), shape (R,); t below 0 counts as 0."""
    x = np.maximum(t_ms, 0.0) * np.exp(state.chain.log_mu_n)
    return state.delay_probability * _survival_if_waiting(state.theta, state.chain.room, x)


def quantile_ms(state: State, probability: float) -> FloatArray:
    """The wait that a share `probability` of the accepted requests does not exceed; 0 if so few wait.

    By bisection on x = mu(N) t to 1e-16 of the bracket's upper end.
    """
    miss = 1.0 - probability
    room = state.chain.room
    low, high = np.zeros_like(room), room + 1.0
    for _ in range(_HALVINGS):
        above = state.delay_probability * _survival_if_waiting(state.theta, room, high) > miss
        if not above.any():
            break
        high = np.where(above, 2 * high, high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = state.delay_probability * _survival_if_waiting(state.theta, room, middle) > miss
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(state.delay_probability > miss, high * np.exp(-state.chain.log_mu_n), 0.0)


def _survival_if_waiting(theta: FloatArray, room: FloatArray, x: FloatArray) -> FloatArray:
    """E[h(I)]; theta = log q, everything of shape (R,). Where nobody can wait (R = 0) any number will do."""
    r = np.maximum(room, 1.0)
    mild = np.minimum(theta, _STEEP_ABOVE)
    flat = np.abs(mild) * r < _FLAT_BELOW
    bent = np.where(flat, -1.0, mild)
    log_b = log_below(r, x)
    log_tilted = x * np.expm1(bent) + log_below(r, x * np.exp(bent))
    # Both signs of theta at once: numerator and denominator divided by the larger of 1 and q^R.
    shift = np.maximum(r * bent, 0.0)
    difference = np.exp(log_tilted - shift) - np.exp(r * bent - shift + log_b)
    curved = difference / (np.exp(-shift) - np.exp(r * bent - shift))
    result: FloatArray = curved
    if flat.any():
        linear = np.exp(log_b) - x / r * np.exp(log_below(r - 1, x))
        result = np.where(flat, linear, curved)
    steep = theta > _STEEP_ABOVE
    if steep.any():
        result[steep] = _survival_if_steep(theta[steep], r[steep], x[steep], log_b[steep])
    np.clip(result, 0.0, 1.0, out=result)
    return result


def _survival_if_steep(theta: FloatArray, r: FloatArray, x: FloatArray, log_b: FloatArray) -> FloatArray:
    """Far beyond saturation (q > e) nearly everyone joins at the end: h(i) = (1 - q^{i-R}) / (1 - q^{-R}).

    The sum of q^{i-R} P(I = i) is over in 40 terms from i = R - 1 down; no large numbers have to cancel.
    """
    back = np.arange(1, _STEEP_TERMS + 1, dtype=np.float64)
    mean = np.maximum(x, 1e-300)[:, None]
    terms = np.exp(log_pmf(r[:, None] - back, mean) - back * theta[:, None])
    result: FloatArray = (np.exp(log_b) - terms.sum(axis=1)) / -np.expm1(-r * theta)
    return result
