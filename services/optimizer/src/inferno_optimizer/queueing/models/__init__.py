"""The performance models. A new one is a class beside these and a line in `MODELS`."""

from typing import Final

from inferno_optimizer.queueing.models.base import PerformanceModel
from inferno_optimizer.queueing.models.chunked_prefill import ChunkedPrefillModel
from inferno_optimizer.queueing.models.linear import LinearModel
from inferno_optimizer.queueing.models.prefill_decode import PrefillDecodeModel

MODELS: Final[dict[str, type[PerformanceModel]]] = {
    "linear": LinearModel,
    "prefill-decode": PrefillDecodeModel,
    "chunked-prefill": ChunkedPrefillModel,
}
"""Keyed by `parameters.model` of the contracts."""

__all__ = ["MODELS", "ChunkedPrefillModel", "LinearModel", "PerformanceModel", "PrefillDecodeModel"]
