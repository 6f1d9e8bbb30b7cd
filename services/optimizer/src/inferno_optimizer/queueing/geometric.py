"""Closed sums of a truncated geometric sequence: the tail of the chain, however long the waiting room is.

Above N requests every departure has rate mu(N), so p_{N+j} = p_N q^j with q = lambda / mu(N), j = 0 .. R.
"""

import numpy as np

from inferno_optimizer.queueing.arrays import FloatArray

_SERIES_BELOW = 0.5


def scaled_sums(log_ratio: FloatArray, terms: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sums of r^j over j = 0 .. terms - 1, and over one term more, with r = exp(-|log_ratio|).

    For q > 1 the sum of q^j is q^(terms - 1) times this (the same terms counted from the largest).
    """
    a = -np.abs(log_ratio)
    flat = a == 0
    divisor, more = np.expm1(np.where(flat, -1.0, a)), terms + 1
    fewer_sum = np.where(flat, terms, np.expm1(terms * a) / divisor)
    return fewer_sum, np.where(flat, more, np.expm1(more * a) / divisor)


def mean_index(log_ratio: FloatArray, terms: FloatArray) -> FloatArray:
    """Mean of j = 0 .. terms - 1 under weights q^j (`terms` >= 1).

    With a = -log q > 0 and M terms it is 1/(e^a - 1) - M/(e^(aM) - 1). Both parts have a pole at a = 0 that
    cancels; below a = 0.5 they are computed without it. For q > 1 the sequence is counted from its end.
    """
    a = np.abs(log_ratio)
    near, far = _bose(a)
    near_end, far_end = _bose(a * terms)
    mean = np.maximum(np.where(a < _SERIES_BELOW, near - terms * near_end, far - terms * far_end), 0.0)
    return np.where(log_ratio > 0, terms - 1 - mean, mean)


def _bose(a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """1/(e^a - 1) - 1/a, by its Bernoulli series below 0.5 (error < 1e-13), and 1/(e^a - 1) from there on.

    Smaller values of the second are the caller's to discard.
    """
    whole = 1.0 / np.expm1(np.minimum(np.maximum(a, _SERIES_BELOW), 700.0))
    s = np.minimum(a, _SERIES_BELOW)
    s2 = s * s
    series = -0.5 + s / 12 * (1 - s2 / 60 * (1 - s2 / 42 * (1 - s2 / 40 * (1 - s2 * 5 / 198))))
    return np.where(a < _SERIES_BELOW, series, whole - 1.0 / np.maximum(a, _SERIES_BELOW)), whole
