"""How many processors this process may use, as far as it can know: affinity and the container's quota."""

import math
import os
from pathlib import Path
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")


def available_processors(cgroups: Path = CGROUPS) -> int:
    """Whole processors, at least 1; a quota of 1.5 counts as 2."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroups)
    return max(1, allowed if quota is None else min(allowed, math.ceil(quota)))


def _quota(cgroups: Path) -> float | None:
    """Processors that the container's limit amounts to, of control groups version 2 or 1; None: no limit."""
    try:
        quota, period = (cgroups / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        folder = cgroups / "cpu"
        try:
            quota, period = (
                (folder / name).read_text(encoding="ascii").strip()
                for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            )
        except OSError:
            return None
    try:
        return int(quota) / int(period) if int(quota) > 0 and int(period) > 0 else None
    except ValueError:
        return None  # "max"
