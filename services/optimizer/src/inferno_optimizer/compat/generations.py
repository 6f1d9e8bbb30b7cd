"""Which queueing model a profile of each generation means, and how that generation reads its TTFT target."""

from collections.abc import Mapping
from typing import Final

from inferno_optimizer.compat.catalogue import ModelPerf
from inferno_optimizer.queueing import SizingPolicy
from inferno_shared.contracts import (
    ChunkedPrefillParameters,
    LinearParameters,
    PrefillDecodeParameters,
    TtftReading,
)

Parameters = LinearParameters | PrefillDecodeParameters | ChunkedPrefillParameters

POLICIES: Final[Mapping[type[Parameters], SizingPolicy]] = {
    LinearParameters: SizingPolicy(ttft_reading=TtftReading.EXPONENTIAL),
    PrefillDecodeParameters: SizingPolicy(ttft_reading=TtftReading.MEAN),
    ChunkedPrefillParameters: SizingPolicy(ttft_reading=TtftReading.MEAN),
}
"""The first generation sizes for the wait's 95th percentile, the later ones for mean wait and prefill."""


class UnusableProfileError(ValueError):
    """A profile that no number of replicas can be derived from; the message says which field and why."""


def parameters_of(profile: ModelPerf) -> Parameters:
    """The queueing model's parameters.

    Raises:
        UnusableProfileError: alpha is 0, which upstream writes while its tuner has not converged yet.
    """
    form, numbers = _form(profile)
    if not numbers["alpha"]:
        raise UnusableProfileError("alpha is 0, so the profile has not been measured yet")
    return form.model_validate(numbers)


def _form(profile: ModelPerf) -> tuple[type[Parameters], dict[str, float | None]]:
    inner = profile.perf_parms
    if inner is not None and inner.alpha is not None:
        numbers = {"alpha": inner.alpha, "beta": inner.beta, "gamma": inner.gamma}
        return ChunkedPrefillParameters, numbers
    holder = profile if inner is None else inner
    decode, prefill = holder.decode_parms, holder.prefill_parms
    if decode is not None and prefill is not None:
        numbers = {"alpha": decode.alpha, "beta": decode.beta, "gamma": prefill.gamma, "delta": prefill.delta}
        return PrefillDecodeParameters, numbers
    return LinearParameters, {"alpha": profile.alpha, "beta": profile.beta}
