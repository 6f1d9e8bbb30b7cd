"""Numbers computed by two other implementations; a difference above 1e-4 is a bug."""

import numpy as np
import pytest

from inferno_optimizer.queueing import Pair, SizingPolicy, predict, size
from inferno_optimizer.queueing.models import ChunkedPrefillModel
from inferno_shared.contracts import (
    ChunkedPrefillParameters,
    ItlReading,
    LinearParameters,
    PrefillDecodeParameters,
    TtftReading,
)

SEED = Pair(LinearParameters(alpha=20.58, beta=0.41), 4, None, 0, 279, itl_ms=24, ttft_ms=500)
MODEL_B = Pair(
    PrefillDecodeParameters(alpha=20.58, beta=0.41, gamma=200, delta=0.01), 4, None, 128, 279, ttft_ms=500
)
MODEL_C = Pair(ChunkedPrefillParameters(alpha=12, beta=0.05, gamma=0.0005), 48, 128, 128, 512)


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-5)


def test_model_a_at_the_rate_of_the_seed() -> None:
    [sizing] = size([SEED], SizingPolicy())
    assert sizing.max_rate_rpm == close(14.308867)
    assert sizing.binding == "ttft"
    [performance] = predict([SEED], [37.5 / 3])
    assert performance.itl_ms == close(21.48383)
    assert performance.wait_ms == close(101.3704)
    assert performance.utilization == close(0.7103443)


def test_model_a_ttft_read_exactly() -> None:
    [sizing] = size([SEED], SizingPolicy(ttft_reading=TtftReading.EXACT))
    assert sizing.max_rate_rpm == close(13.863673)


def test_model_a_itl_read_at_a_quantile_and_as_a_mean() -> None:
    pair = Pair(SEED.parameters, 4, None, 0, 279, itl_ms=22)
    [quantile] = size([pair], SizingPolicy(itl_reading=ItlReading.QUANTILE))
    [mean] = size([pair], SizingPolicy())
    assert quantile.max_rate_rpm == close(8.119283)
    assert mean.max_rate_rpm == close(28.956765)


def test_model_b() -> None:
    [performance] = predict([MODEL_B], [0.2 * 60])
    assert performance.wait_ms == close(100.06592)
    assert performance.prefill_ms == close(202.80586)
    assert performance.itl_ms == close(21.478752)
    [sizing] = size([MODEL_B], SizingPolicy(ttft_reading=TtftReading.MEAN))
    assert sizing.saturation_rpm / 60 == close(0.6261085)
    assert sizing.max_rate_rpm / 60 == close(0.2682142)


def test_model_c() -> None:
    [performance] = predict([MODEL_C], [3 * 60])
    assert performance.response_ms == close(10348.367)
    assert performance.wait_ms == close(21.405273)
    assert performance.in_service == close(30.980886)
    assert performance.ttft_ms == close(67.61465)
    assert performance.itl_ms == close(20.118889)
    [sizing] = size([MODEL_C], SizingPolicy())
    assert sizing.saturation_rpm / 60 == close(3.8609295)


def test_model_c_kernel() -> None:
    pair = Pair(ChunkedPrefillParameters(alpha=8, beta=0.033, gamma=0.000333), 64, None, 256, 1024)
    model, batch = ChunkedPrefillModel([pair]), np.array([[40.0]])
    assert model.chunks(batch)[0, 0] == 1
    assert model.service_ms(batch)[0, 0] == close(20375.104)
    assert model.service_ms(batch)[0, 0] / (1 + 1024) == close(19.878149)
    assert model.prefill_at(batch)[0, 0] == close(28.114445)
    assert model.step_ms(batch)[0, 0] == close(19.870108)
