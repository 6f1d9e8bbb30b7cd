"""Draws docs/pictures: the loop, and what one replica can carry, computed by the optimizer's own model.

Plain SVG text: no drawing library, and the same bytes each time.
"""

from collections.abc import Callable, Sequence

from inferno_optimizer.analysis import analyze
from inferno_shared.contracts import AnalysisRequest

WIDTH, HEIGHT = 760, 330
_LEFT, _TOP, _RIGHT, _BOTTOM = 60, 30, 740, 280
_INK, _BLUE, _RED, _GREEN, _PAPER = "#333", "#1f77b4", "#d62728", "#2ca02c", "#fff"
_STYLE = f'font-family="sans-serif" font-size="13" fill="{_INK}"'
Point = tuple[float, float]

SEED = AnalysisRequest.model_validate(
    {
        "parameters": {"model": "linear", "alpha": 20.58, "beta": 0.41},
        "acc_count": 1,
        "cost_per_hour": 50,
        "max_batch_size": 4,
        "load": {"arrival_rate_rpm": 37.5, "input_tokens": 0, "output_tokens": 279},
        "slo": {"itl_ms": 24, "ttft_ms": 500},
    }
)
_TTFT_MOST_MS = 1_500.0
_P95 = 2.995732  # ln 20: an exponential wait is below this many means in 95 % of the cases


def sizing() -> str:
    """TTFT (95th percentile) of the guide's replica against its load, and the load that its target allows."""
    result = analyze(SEED)
    limit = result.max_rate_rpm_per_replica or 0.0
    points = [(p.rate_rpm, p.wait_ms * _P95) for p in result.curve]
    shown = [point for point in points if point[1] <= _TTFT_MOST_MS]
    most_rpm = max(rate for rate, _ in shown) * 1.1

    def place(rate_rpm: float, ttft_ms: float) -> Point:
        x = _LEFT + (_RIGHT - _LEFT) * rate_rpm / most_rpm
        return x, _BOTTOM - (_BOTTOM - _TOP) * ttft_ms / _TTFT_MOST_MS

    ttft_ms = SEED.slo.ttft_ms or 0.0
    return _svg(
        "Time to first token of one replica against its load",
        [
            *_axes("requests per minute on one replica", "TTFT, 95th percentile (ms)", place, most_rpm),
            _line([place(*point) for point in shown], _BLUE),
            _line([place(0, ttft_ms), place(most_rpm, ttft_ms)], _RED, dashed=True),
            _line([place(limit, 0), place(limit, ttft_ms)], _GREEN, dashed=True),
            _text(place(most_rpm * 0.02, ttft_ms + 40), f"target {ttft_ms:.0f} ms", _RED),
            _text(
                place(limit * 0.46, 200), f"λ* = {limit:.2f} requests/min: what a replica is given", _GREEN
            ),
        ],
    )


def _axes(
    x_label: str, y_label: str, place: Callable[[float, float], Point], most_rpm: float
) -> Sequence[str]:
    ticks = [_text(place(rate, -110), str(rate)) for rate in range(0, int(most_rpm) + 1, 5)]
    ticks += [_text((_LEFT - 44, place(0, ttft)[1] + 4), str(ttft)) for ttft in range(0, 1_501, 500)]
    return [
        _line([(_LEFT, _TOP), (_LEFT, _BOTTOM), (_RIGHT, _BOTTOM)], _INK),
        *ticks,
        _text(((_LEFT + _RIGHT) / 2 - 100, HEIGHT - 8), x_label),
        _text((_LEFT, _TOP - 10), y_label),
    ]


def loop() -> str:
    """Who asks whom, once per interval."""
    boxes = [
        (20, 20, "Kubernetes API", "nodes, variants, HPAs"),
        (280, 20, "Prometheus, Thanos", "vLLM's metrics"),
        (540, 20, "Deployment", "vLLM pods"),
        (20, 140, "collector", "what is"),
        (280, 140, "actuator", "the loop, guard rails"),
        (540, 140, "HPA", "desired / current"),
        (280, 250, "optimizer", "what would be right"),
    ]
    arrows = [
        ((100, 80), (100, 138), "watch", (106, 114)),
        ((290, 82), (190, 138), "query", (250, 120)),
        ((280, 170), (202, 170), "", (0, 0)),
        ((202, 182), (280, 182), "Snapshot", (206, 198)),
        ((350, 200), (350, 250), "Snapshot", (284, 230)),
        ((390, 250), (390, 200), "Plan", (398, 230)),
        ((370, 138), (370, 82), "desired replicas", (378, 116)),
        ((460, 60), (540, 140), "metric", (520, 104)),
        ((620, 138), (620, 82), "scale", (628, 116)),
        ((280, 150), (196, 78), "status", (212, 74)),
    ]
    return _svg("The loop", [*(_box(*box) for box in boxes), *(_arrow(*arrow) for arrow in arrows)])


def _svg(title: str, parts: Sequence[str]) -> str:
    head = '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" orient="auto">'
    marker = f'<defs>{head}<path d="M0 0 L8 4 L0 8 z" fill="{_INK}"/></marker></defs>'
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    paper = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{_PAPER}"/>'
    body = "\n".join([f"<title>{title}</title>", marker, paper, *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>\n{body}\n</svg>\n'


def _box(x: float, y: float, name: str, what: str) -> str:
    shape = f'<rect x="{x}" y="{y}" width="180" height="60" rx="8" fill="#eef3fb" stroke="{_BLUE}"/>'
    return "\n".join([shape, _text((x + 14, y + 26), name, bold=True), _text((x + 14, y + 46), what)])


def _arrow(start: Point, end: Point, label: str, at: Point) -> str:
    (x1, y1), (x2, y2) = start, end
    line = f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{_INK}" marker-end="url(#tip)"/>'
    return f"{line}\n{_text(at, label)}" if label else line


def _line(points: Sequence[Point], color: str, *, dashed: bool = False) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{dash}/>'


def _text(at: Point, words: str, color: str = _INK, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    style = _STYLE.replace(f'fill="{_INK}"', f'fill="{color}"')
    return f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" {style}{weight}>{words}</text>'
