"""Scores over eps, with the name of each metric at the end of its curve."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from perceptbench.reports.axes import Curve, Panel
from perceptbench.reports.drawing.style import FAINT, GRID, INK, SMALL, colour, dress, marker

SIZE = (5.6, 3.9)
LABEL_GAP = 5.2
"""Smallest vertical distance of two labels, in percent of the axis."""
_LOW, _HIGH = -2.0, 102.0


def draw(axis: Axes, panel: Panel) -> None:
    """Curves and their bands; solid after an attack, dashed and hollow where proved."""
    largest = max(eps for curve in panel.curves for eps, _ in curve.points)
    if panel.even:
        axis.axhline(50, color=GRID, linewidth=0.8, zorder=0)
    for curve in panel.curves:
        _draw_curve(axis, curve, panel.banded)
    _label_ends(axis, panel.curves, largest)
    axis.set_xlim(0, largest * 1.02)
    axis.set_ylim(_LOW, _HIGH)
    axis.set_yticks(range(0, 101, 25))
    if panel.steps:
        axis.set_xticks(range(len(panel.steps)), panel.steps)
    dress(axis, panel.title, panel.x_label, panel.y_label)


def key(panels: Sequence[Panel]) -> list[tuple[Line2D, str]]:
    """What solid, dashed and grey lines are."""
    kinds = {curve.proved for panel in panels for curve in panel.curves}
    lines = [
        (False, Line2D([], [], color=FAINT, linestyle="-", marker="o", markersize=5), panels[0].solid),
        (True, Line2D([], [], color=FAINT, linestyle="--", marker="o", markersize=4, mfc="white"), "proved"),
    ]
    shown = [(line, text) for kind, line, text in lines if kind in kinds]
    return [*shown, *([(Line2D([], [], color=GRID, linewidth=0.8), "chance")] if panels[0].even else [])]


def _draw_curve(axis: Axes, curve: Curve, banded: bool) -> None:
    eps = [at for at, _ in curve.points]
    cells = [cell for _, cell in curve.points]
    low, high = [cell.low for cell in cells], [cell.high for cell in cells]
    if banded:
        axis.fill_between(eps, low, high, color=colour(curve.style), alpha=0.08 if curve.proved else 0.14, linewidth=0)
    axis.plot(
        eps,
        [cell.value for cell in cells],
        color=colour(curve.style),
        linestyle="--" if curve.proved else "-",
        linewidth=1.4,
        clip_on=False,
        **marker(curve.style, hollow=curve.proved),
        markevery=max(1, len(eps) // 12),
        zorder=3 if curve.proved else 2,
    )


def _label_ends(axis: Axes, curves: Sequence[Curve], largest: float) -> None:
    """Names to the right of the axes, at the height of each curve's end as far as there is room."""
    ends = [curve.points[-1] for curve in curves]
    heights = spread([cell.value for _, cell in ends], LABEL_GAP)
    for curve, (eps, cell), height in zip(curves, ends, heights, strict=True):
        ink = colour(curve.style)
        start, bend, text = (largest * factor for factor in (1.025, 1.065, 1.09))
        if eps < largest:
            axis.plot([eps, start], [cell.value] * 2, color=ink, linewidth=0.6, linestyle=":", clip_on=False)
        axis.plot([start, bend], [cell.value, height], color=ink, linewidth=0.6, clip_on=False)
        axis.plot([bend], [height], color=ink, clip_on=False, **marker(curve.style, hollow=curve.proved))
        name = f"{curve.metric}, proved" if curve.proved else curve.metric
        axis.text(text, height, name, color=INK, fontsize=SMALL, va="center", parse_math=False)


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Move heights apart until neighbours are at least `gap` from each other, keeping their order.

    The least squares answer: runs of labels that touch are pooled and centred on their mean, as in
    isotonic regression. Where the lowest would leave the axis, all that touch it move up.
    """
    order = sorted(range(len(values)), key=lambda i: -values[i])
    pools: list[list[float]] = []
    for rank, i in enumerate(reversed(order)):
        pools.append([values[i] - rank * gap, 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            mean, size = pools.pop()
            below, count = pools.pop()
            pools.append([(mean * size + below * count) / (size + count), size + count])
    bases = [max(0.0, mean) for mean, size in pools for _ in range(int(size))]
    heights = [0.0] * len(values)
    for rank, i in enumerate(reversed(order)):
        heights[i] = bases[rank] + rank * gap
    return heights
