"""`python -m profiles RUNS...`: alpha and beta (and gamma, delta) of a model from a benchmark's results."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from profiles.fit import Line, Profile, TooFewMeasurementsError, fit_profile
from profiles.measurements import Measurement, UnreadableMeasurementError, read
from profiles.snippet import Target, snippet

_BAR = 40


def main(
    runs: Annotated[list[Path], typer.Argument(help="CSV, or JSON of `vllm bench serve --save-result`")],
    accelerator: Annotated[str, typer.Option(help="name in accelerator-unit-costs")] = "H100",
    acc_count: Annotated[int, typer.Option(min=1, help="units of one replica")] = 1,
    max_batch_size: Annotated[int | None, typer.Option(min=1, help="default: the largest measured")] = None,
    model: Annotated[str, typer.Option(help="spec.modelID")] = "my/model",
    name: Annotated[str, typer.Option(help="of the Deployment and its VariantAutoscaling")] = "my-variant",
    namespace: Annotated[str, typer.Option(help="its namespace")] = "default",
    plot: Annotated[Path | None, typer.Option(help="draw the fit into this PNG (needs matplotlib)")] = None,
) -> None:
    """Fit a performance profile, show how good it is, and print the VariantAutoscaling for it."""
    try:
        measurements = read(runs)
        profile = fit_profile(measurements)
        if plot is not None:
            _draw(measurements, profile, plot)
    except (UnreadableMeasurementError, TooFewMeasurementsError, ModuleNotFoundError) as error:
        sys.exit(f"error: {error}")
    print(table(measurements, profile.decode))
    print(parameters(profile))
    batch = max_batch_size or round(max(m.batch for m in measurements))
    print(snippet(Target(name, namespace, model, accelerator, acc_count, batch), profile))


def table(measurements: Sequence[Measurement], decode: Line) -> str:
    """Measured beside fitted, one bar per run."""
    most = max(m.itl_ms for m in measurements)
    lines = [f"{'batch':>8} {'ITL ms':>9} {'fitted':>9} {'off':>7}"]
    for m in measurements:
        off = m.itl_ms / decode.at(m.batch) - 1
        bar = "#" * round(_BAR * m.itl_ms / most)
        lines.append(f"{m.batch:8.2f} {m.itl_ms:9.3f} {decode.at(m.batch):9.3f} {off:+7.1%}  {bar}")
    return "\n".join(lines)


def parameters(profile: Profile) -> str:
    """Every parameter with its 95% confidence interval, and what to be careful about."""
    lines = [*_described("alpha", "beta", profile.decode)]
    if profile.prefill is not None:
        lines += _described("gamma", "delta", profile.prefill)
    return "\n".join(["", *lines, *(f"warning: {text}" for text in profile.warnings), ""])


def _described(intercept: str, slope: str, line: Line) -> list[str]:
    return [
        f"{intercept:>6} = {line.intercept.value:.4f} ms  +- {line.intercept.margin:.4f} (95%)",
        (
            f"{slope:>6} = {line.slope.value:.5f} ms  +- {line.slope.margin:.5f} (95%), "
            f"R^2 = {line.r_squared:.4f}, worst run {line.worst:.1%} off"
        ),
    ]


def _draw(measurements: Sequence[Measurement], profile: Profile, path: Path) -> None:
    try:
        from profiles.plot import draw  # noqa: PLC0415 - only drawing needs matplotlib
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"--plot needs {error.name}: pip install --require-hashes -r requirements/docs.txt"
        ) from error
    draw(measurements, profile, path)


if __name__ == "__main__":
    typer.run(main)
