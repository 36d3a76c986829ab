"""The sizing curve as an SVG."""

from xml.sax.saxutils import escape

from mmscand.cli.quantities import percent, size
from mmscand.sizing import Curve

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 360, 60, 50
_PLOT = _WIDTH - _LEFT - 20, _HEIGHT - _BOTTOM - 50


def svg_of(curve: Curve, title: str, now: float | None) -> str:
    """A picture with the knee, and what is fast now."""
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (_place(curve, *at) for at in curve.points))
    marks = [_mark(curve, curve.knee, f"knee {size(curve.knee)}", "#c2410c")]
    if now is not None:
        marks.append(_mark(curve, now, f"now {size(now)}", "#15803d"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>\n'
        f'<text x="{_LEFT}" y="24" font-size="15">{escape(title)}: share of accesses served fast'
        "</text>\n"
        + "".join(_grid(curve))
        + f'<polyline points="{line}" fill="none" stroke="#1d4ed8" stroke-width="2"/>\n'
        + "".join(marks)
        + "</svg>\n"
    )


def _place(curve: Curve, pages: float, share: float) -> tuple[float, float]:
    across = pages / curve.total if curve.total else 0.0
    return _LEFT + across * _PLOT[0], _HEIGHT - _BOTTOM - share * _PLOT[1]


def _grid(curve: Curve) -> list[str]:
    lines = []
    for step in range(6):
        share = step / 5
        x, y = _place(curve, share * curve.total, share)
        right, top = _LEFT + _PLOT[0], _HEIGHT - _BOTTOM
        lines.append(
            f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{percent(share)}</text>'
            f'<text x="{x:.1f}" y="{top + 20}" text-anchor="middle">{size(share * curve.total)}'
            "</text>\n"
        )
    lines.append(f'<text x="{_LEFT}" y="{_HEIGHT - 10}">fast memory</text>\n')
    return lines


def _mark(curve: Curve, pages: float, words: str, colour: str) -> str:
    x, y = _place(curve, pages, curve.share(pages))
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
        f'<text x="{x + 9:.1f}" y="{y + 16:.1f}" fill="{colour}">{escape(words)}: '
        f"{percent(curve.share(pages))}</text>\n"
    )
