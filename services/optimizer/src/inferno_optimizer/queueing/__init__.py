"""Queueing models of one replica: how much load it can take (`size`) and what it does with it (`predict`).

Pure functions of their arguments, vectorised over pairs (variant, accelerator). Models and readings of the
targets are registries: `models.MODELS`, `readings.TTFT_READINGS`, `readings.ITL_READINGS`.
"""

from inferno_optimizer.queueing.pair import (
    Binding,
    Limits,
    Pair,
    Performance,
    Sizing,
    SizingPolicy,
    batch_size,
)
from inferno_optimizer.queueing.prediction import predict
from inferno_optimizer.queueing.sizing import SizedOnce, size

__all__ = [
    "Binding",
    "Limits",
    "Pair",
    "Performance",
    "SizedOnce",
    "Sizing",
    "SizingPolicy",
    "batch_size",
    "predict",
    "size",
]
