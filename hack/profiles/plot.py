"""Draws measurements and the fitted line. Needs matplotlib."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

from profiles.fit import Line, Profile
from profiles.measurements import Measurement

mpl.use("Agg")


def draw(measurements: Sequence[Measurement], profile: Profile, path: Path) -> None:
    """ITL against batch, and beside it TTFT against batch times prompt when there is a prefill fit."""
    views: list[tuple[str, str, Line, list[tuple[float, float]]]] = [
        (
            "requests in the batch n",
            "inter-token latency [ms]",
            profile.decode,
            [(m.batch, m.itl_ms) for m in measurements],
        )
    ]
    if profile.prefill is not None:
        points = [((m.input_tokens or 0) * m.batch, m.ttft_ms or 0) for m in measurements]
        views.append(("input tokens x n", "time to first token [ms]", profile.prefill, points))
    figure, axes = plt.subplots(1, len(views), figsize=(6 * len(views), 4), squeeze=False)
    for view, (x_label, y_label, line, points) in zip(axes[0], views, strict=True):
        ends = [0.0, max(x for x, _ in points) * 1.05]
        view.plot([x for x, _ in points], [y for _, y in points], "o", label="measured")
        fitted = f"{line.intercept.value:.4g} + {line.slope.value:.4g} x  (R² {line.r_squared:.4f})"
        view.plot(ends, [line.at(x) for x in ends], label=fitted)
        view.set(xlabel=x_label, ylabel=y_label, ylim=(0, None), xlim=(0, None))
        view.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
