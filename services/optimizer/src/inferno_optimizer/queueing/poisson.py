"""The distribution function of a Poisson variable for any mean, vectorised: numpy alone has none.

It is also the Erlang distribution's: a sum of k exponential(1) times exceeds y with probability
P(Poisson(y) < k), the regularised upper incomplete gamma function Q(k, y).
"""

from typing import Final

import numpy as np

from inferno_optimizer.queueing.arrays import FloatArray

_TABLE_UP_TO: Final = 64
_NEGLIGIBLE_MEAN: Final = 1e-100
_NATS: Final = 40.0  # e^-40 of the peak is where a tail is cut off
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(48)
_UNIT_NODES: Final = (_NODES + 1) / 2
_UNIT_WEIGHTS: Final = _NODE_WEIGHTS / 2
_SMALL_LOG_FACTORIALS: Final = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1.0, 65.0)))])


def log_factorial(k: FloatArray) -> FloatArray:
    """Log k! for whole k >= 0: a table to 64, Stirling's series above (error < 1e-12)."""
    small = _SMALL_LOG_FACTORIALS[np.minimum(k, _TABLE_UP_TO).astype(np.int64)]
    x = np.maximum(k, float(_TABLE_UP_TO))
    stirling = x * np.log(x) - x + 0.5 * np.log(2 * np.pi * x) + _stirling_rest(x)
    return np.where(k <= _TABLE_UP_TO, small, stirling)


def log_pmf(k: FloatArray, mean: FloatArray) -> FloatArray:
    """Log P(Poisson(mean) = k), -inf where k < 0; mean > 0."""
    whole = np.maximum(k, 0.0)
    return np.where(k < 0, -np.inf, whole * np.log(mean) - mean - log_factorial(whole))


def log_below(k: FloatArray, mean: FloatArray) -> FloatArray:
    """Log P(Poisson(mean) < k) for whole k, shape (R,): -inf where k = 0."""
    y = np.maximum(mean, _NEGLIGIBLE_MEAN)
    result = np.zeros_like(y)
    few = k <= _TABLE_UP_TO
    result[few] = _direct(k[few], y[few])
    result[~few] = _by_quadrature(k[~few], y[~few])
    return np.where(k > 0, result, -np.inf)


def _direct(k: FloatArray, mean: FloatArray) -> FloatArray:
    """The sum itself, for at most 64 terms."""
    term = np.arange(_TABLE_UP_TO, dtype=np.float64)
    logs = term * np.log(mean)[:, None] - _SMALL_LOG_FACTORIALS[:_TABLE_UP_TO]
    logs = np.where(term < np.maximum(k, 1.0)[:, None], logs, -np.inf)
    largest = logs.max(axis=1)
    total = np.log(np.exp(logs - largest[:, None]).sum(axis=1)) + largest - mean
    result: FloatArray = np.minimum(total, 0.0)
    return result


def _by_quadrature(k: FloatArray, mean: FloatArray) -> FloatArray:
    """Q(k, y) = integral of t^a e^-t / a! over t > y, a = k - 1, from the side on which little is left.

    Gauss-Legendre from y outwards until the integrand has fallen by 40 nats. Its logarithm falls with slope
    |1 - a/y| and curvature a / y^2, which gives the length.
    """
    a, y = k - 1, mean
    right = y > a
    slope, curvature = np.abs(1 - a / y), a / (y * y)
    length = 2 * _NATS / (slope + np.sqrt(slope * slope + 2 * _NATS * curvature))
    length = np.where(right, 1.4 * length, -np.minimum(length, y))
    t = length[:, None] * _UNIT_NODES
    fall = a[:, None] * _log1p(t / y[:, None]) - t
    integral = np.abs(length) * (np.exp(fall) @ _UNIT_WEIGHTS)
    # y^a e^-y / a!, with the large terms of Stirling's formula cancelled by hand
    at_y = a * _log1p((y - a) / a) - (y - a) - 0.5 * np.log(2 * np.pi * a) - _stirling_rest(a)
    log_side = at_y + np.log(integral)
    below = np.log1p(-np.exp(np.minimum(log_side, -1e-300)))
    return np.where(right, np.minimum(log_side, 0.0), below)


def _log1p(x: FloatArray) -> FloatArray:
    """log(1 + x), kept finite at x = -1, where the integrand is 0 anyway."""
    return np.log1p(np.maximum(x, -1 + 1e-15))


def _stirling_rest(x: FloatArray) -> FloatArray:
    return (1 - (1 - 2 / (7 * x * x)) / (30 * x * x)) / (12 * x)
