"""Fits the parameters of the queueing models to measurements: least squares, errors that stay honest.

Data     n_i, y_i (i = 1..k): batch and inter-token latency of run i (ms)
Model    y_i = alpha + beta n_i                                                            (1)
Errors   HC3 (MacKinnon and White 1985): the spread may differ from run to run, as it does when long queues
         are noisier than short ones; V = (X'X)^-1 X' diag(e_i^2 / (1 - h_i)^2) X (X'X)^-1, intervals with
         Student's t at k - 2 degrees of freedom.
The same for prefill: TTFT_i = gamma + delta (input_tokens_i n_i).                         (2)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiles.measurements import Measurement

FEWEST_RUNS = 3
_CURVED = 0.05
# 97.5% quantile of Student's t at 1, 2, ... degrees of freedom; beyond the list the normal distribution's.
_T = (
    12.706,
    4.303,
    3.182,
    2.776,
    2.571,
    2.447,
    2.365,
    2.306,
    2.262,
    2.228,
    2.201,
    2.179,
    2.160,
    2.145,
    2.131,
)
_NORMAL = 1.96
Array = NDArray[np.float64]


class TooFewMeasurementsError(Exception):
    """The measurements do not determine a line; the message says what to measure."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A parameter in ms, and the half-width of its 95% confidence interval."""

    value: float
    margin: float


@dataclass(frozen=True, slots=True)
class Line:
    """intercept + slope x, with how well it describes the measurements.

    Args:
        r_squared: share of the variance that the line explains.
        worst: largest deviation of a run from the line, as a share of the measured value.
    """

    intercept: Estimate
    slope: Estimate
    r_squared: float
    worst: float

    def at(self, x: float) -> float:
        """The line at x."""
        return self.intercept.value + self.slope.value * x


@dataclass(frozen=True, slots=True)
class Profile:
    """Decode (alpha, beta), prefill (gamma, delta) when TTFT was measured, and what to be careful about."""

    decode: Line
    prefill: Line | None
    warnings: tuple[str, ...]


def fit_profile(measurements: Sequence[Measurement]) -> Profile:
    """The profile that the measurements say.

    Raises:
        TooFewMeasurementsError: fewer than three runs, or all at one batch size.
    """
    batches = [m.batch for m in measurements]
    if len(measurements) < FEWEST_RUNS or np.ptp(batches) < 1:
        raise TooFewMeasurementsError(
            f"{len(measurements)} runs at batches {', '.join(f'{b:.1f}' for b in batches)}: measure at least "
            f"{FEWEST_RUNS} concurrencies, such as 1, 2, 4, 8 and the largest batch"
        )
    decode = fit_line(batches, [m.itl_ms for m in measurements])
    prefill = _prefill(measurements)
    return Profile(decode, prefill, tuple(_warnings(decode, prefill)))


def fit_line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Least squares with non-negative parameters, HC3 errors."""
    design = np.column_stack([np.ones(len(x)), np.asarray(x, dtype=np.float64)])
    measured = np.asarray(y, dtype=np.float64)
    values, *_ = np.linalg.lstsq(design, measured, rcond=None)
    if values[1] < 0:
        values = np.array([measured.mean(), 0.0])
    elif values[0] < 0:
        values = np.array([0.0, float(design[:, 1] @ measured / (design[:, 1] @ design[:, 1]))])
    residuals = measured - design @ values
    margins = _t(len(x) - 2) * np.sqrt(np.diag(_hc3(design, residuals)))
    total = float(np.sum((measured - measured.mean()) ** 2))
    return Line(
        Estimate(float(values[0]), float(margins[0])),
        Estimate(float(values[1]), float(margins[1])),
        r_squared=1.0 - float(residuals @ residuals) / total if total else 1.0,
        worst=float(np.max(np.abs(residuals) / measured)),
    )


def _hc3(design: Array, residuals: Array) -> Array:
    bread = np.linalg.inv(design.T @ design)
    leverage = np.einsum("ij,jk,ik->i", design, bread, design)
    scaled = residuals / np.maximum(1.0 - leverage, 1e-9)
    meat = design.T @ (design * (scaled**2)[:, None])
    return np.asarray(bread @ meat @ bread, dtype=np.float64)


def _t(degrees: int) -> float:
    return _T[degrees - 1] if degrees <= len(_T) else _NORMAL


def _prefill(measurements: Sequence[Measurement]) -> Line | None:
    """(2); None unless every run has its TTFT and its input tokens."""
    points = [
        (m.input_tokens * m.batch, m.ttft_ms)
        for m in measurements
        if m.ttft_ms is not None and m.input_tokens
    ]
    if len(points) < len(measurements):
        return None
    return fit_line([x for x, _ in points], [y for _, y in points])


def _warnings(decode: Line, prefill: Line | None) -> list[str]:
    found = []
    if decode.worst > _CURVED:
        found.append(
            f"a run is {decode.worst:.0%} off the line: the batch was perhaps not full of decodes, or "
            "the engine changes its ways above some batch; leave out what lies beyond max_batch_size"
        )
    if not decode.slope.value:
        found.append("ITL does not grow with the batch: measure larger batches")
    elif decode.slope.margin > decode.slope.value:
        found.append("beta is not told apart from 0: measure longer, and at larger batches")
    if prefill is not None and prefill.worst > 2 * _CURVED:
        found.append(
            f"TTFT is up to {prefill.worst:.0%} off gamma + delta tokens n: requests waited; keep the "
            "concurrency at or below the batch size, or use alpha and beta alone"
        )
    return found
