"""Numbers and latencies as they are written in every sentence of an explanation."""

from typing import Final

from inferno_optimizer.queueing import Performance
from inferno_shared.contracts import ItlReading, Policy, SloTarget, TtftReading

WORTH_TELLING: Final = 1e-3
"""Share of requests turned away from which on it is told."""

MANY_MS: Final = 1_000


def replicas_of(count: int) -> str:
    """1 replica, 2 replicas."""
    return "1 replica" if count == 1 else f"{count} replicas"


def latencies(found: Performance, target: SloTarget, policy: Policy) -> str:
    """ITL and TTFT as the policy reads them, against their targets.

    Example: ITL is 21.48 ms of 24 and TTFT 303.7 ms of 500 (95th percentile; mean wait 101.4 ms).
    """
    itl = f"ITL is {ms(found.itl_read_ms)} ms" + (f" of {target.itl_ms:g}" if target.itl_ms else "")
    if policy.itl_reading is ItlReading.QUANTILE:
        itl += f" ({_percentile(policy.itl_percentile)})"
    ttft = f"TTFT {ms(found.ttft_read_ms)} ms" + (f" of {target.ttft_ms:g}" if target.ttft_ms else "")
    read = "mean" if policy.ttft_reading is TtftReading.MEAN else _percentile(policy.ttft_percentile)
    blocked = f", {found.blocking:.1%} are turned away" if found.blocking > WORTH_TELLING else ""
    return f"{itl} and {ttft} ({read}; mean wait {ms(found.wait_ms)} ms){blocked}"


def missed(found: Performance, target: SloTarget) -> str:
    """Which targets these latencies miss, as the end of a sentence; empty when none."""
    itl = target.itl_ms is not None and found.itl_read_ms > target.itl_ms
    ttft = target.ttft_ms is not None and found.ttft_read_ms > target.ttft_ms
    names = [name for name, late in (("ITL", itl), ("TTFT", ttft)) if late]
    return f": {' and '.join(names)} would be missed" if names else ""


def ms(value: float) -> str:
    """Four digits, and whole milliseconds above: 21.48, 164204."""
    return f"{value:.4g}" if value < MANY_MS else f"{value:.0f}"


def _percentile(share: float) -> str:
    return f"{share * 100:g}th percentile"
