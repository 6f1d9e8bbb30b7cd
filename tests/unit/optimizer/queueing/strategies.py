"""Random pairs for the property tests, corners included: beta 0, N 1, no waiting room, extreme alpha."""

from hypothesis import strategies as st

from inferno_optimizer.queueing import Pair
from inferno_shared.contracts import ChunkedPrefillParameters, LinearParameters, PrefillDecodeParameters

ALPHAS = st.one_of(st.floats(0.5, 60), st.sampled_from([1e-6, 1e6]))
BETAS = st.one_of(st.just(0.0), st.floats(1e-4, 2))
LOADS = st.one_of(st.floats(0.01, 0.95), st.floats(0.98, 1.02), st.just(1.0), st.floats(1.05, 4))
"""Arrival rate over mu(N)."""

LINEAR = st.builds(LinearParameters, alpha=ALPHAS, beta=BETAS)
PREFILL_DECODE = st.builds(
    PrefillDecodeParameters,
    alpha=ALPHAS,
    beta=BETAS,
    gamma=st.one_of(st.just(0.0), st.floats(0.1, 500)),
    delta=st.one_of(st.just(0.0), st.floats(1e-4, 0.5)),
)
CHUNKED = st.builds(
    ChunkedPrefillParameters,
    alpha=ALPHAS,
    beta=st.one_of(st.just(0.0), st.floats(1e-4, 0.2)),
    gamma=st.one_of(st.just(0.0), st.floats(1e-6, 1e-3)),
)
PARAMETERS = st.one_of(LINEAR, PREFILL_DECODE, CHUNKED)
MONOTONE = st.one_of(LINEAR, PREFILL_DECODE)
"""Models whose every metric rises with the load; model C jumps where its number of chunks changes."""


def pairs(
    parameters: st.SearchStrategy[LinearParameters | PrefillDecodeParameters | ChunkedPrefillParameters],
    *,
    targets: st.SearchStrategy[float | None] | None = None,
) -> st.SearchStrategy[Pair]:
    """Pairs without targets, or with ITL and TTFT targets from `targets`."""
    target = st.none() if targets is None else targets
    return st.builds(
        Pair,
        parameters=parameters,
        max_batch_size=st.one_of(st.just(1), st.integers(2, 40)),
        max_queue_size=st.one_of(st.none(), st.just(0), st.integers(1, 100)),
        input_tokens=st.one_of(st.just(0.0), st.floats(1, 20_000)),
        output_tokens=st.one_of(st.floats(1.5, 3), st.floats(3, 3000)),
        itl_ms=target,
        ttft_ms=target,
    )
