"""Draws a chart. Figure objects on the Agg canvas: no display, no global state, no date in the file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.base import Chart, Curve, Panel

DPI = 200
PANEL_INCHES = (5.6, 3.9)
LABEL_GAP = 5.2
"""Smallest vertical distance of two labels, in percent of the axis."""

# Without its yellow and its light pink, which are too faint on white paper.
_COLOURS = [seaborn.color_palette("colorblind", 10)[i] for i in (0, 1, 2, 3, 4, 5, 7, 9)]
_MARKERS = "osD^vP*X<"
_INK = "0.2"
_FAINT = "0.55"
_SMALL, _NORMAL = 8, 9
_LOW, _HIGH = -2.0, 102.0


def save_png(chart: Chart, path: Path) -> None:
    """Write the chart as PNG: the same bytes for the same chart and matplotlib."""
    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * len(chart.panels), height), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(chart.panels), squeeze=False)[0]
    for axis, panel in zip(axes, chart.panels, strict=True):
        _draw_panel(axis, panel)
    _draw_key(figure, [curve for panel in chart.panels for curve in panel.curves])
    canvas.print_figure(path, dpi=DPI, format="png", metadata={"Software": None})


def _draw_panel(axis: Axes, panel: Panel) -> None:
    largest = max(eps for curve in panel.curves for eps, _ in curve.points)
    axis.axhline(50, color="0.75", linewidth=0.8, zorder=0)
    for curve in panel.curves:
        _draw_curve(axis, curve, panel.banded)
    _label_ends(axis, panel.curves, largest)
    axis.set_xlim(0, largest * 1.02)
    axis.set_ylim(_LOW, _HIGH)
    axis.set_yticks(range(0, 101, 25))
    axis.set_title(panel.title, fontsize=_NORMAL + 1, loc="left", parse_math=False)
    axis.set_xlabel(panel.x_label, fontsize=_NORMAL)
    axis.set_ylabel("2AFC score, percent", fontsize=_NORMAL)
    axis.tick_params(labelsize=_SMALL)
    axis.spines[["top", "right"]].set_visible(False)


def _draw_curve(axis: Axes, curve: Curve, banded: bool) -> None:
    eps = [at for at, _ in curve.points]
    cells = [cell for _, cell in curve.points]
    colour = _colour(curve)
    low, high = [cell.low for cell in cells], [cell.high for cell in cells]
    if banded:
        axis.fill_between(eps, low, high, color=colour, alpha=0.08 if curve.proved else 0.14, linewidth=0)
    axis.plot(
        eps,
        [cell.value for cell in cells],
        color=colour,
        linestyle="--" if curve.proved else "-",
        linewidth=1.4,
        clip_on=False,
        **_marker(curve),
        markevery=max(1, len(eps) // 12),
        zorder=3 if curve.proved else 2,
    )


def _label_ends(axis: Axes, curves: Sequence[Curve], largest: float) -> None:
    """Names to the right of the axes, at the height of each curve's end as far as there is room."""
    ends = [curve.points[-1] for curve in curves]
    heights = spread([cell.value for _, cell in ends], LABEL_GAP)
    for curve, (eps, cell), height in zip(curves, ends, heights, strict=True):
        colour = _colour(curve)
        start, bend, text = (largest * factor for factor in (1.025, 1.065, 1.09))
        if eps < largest:
            axis.plot([eps, start], [cell.value] * 2, color=colour, linewidth=0.6, linestyle=":", clip_on=False)
        axis.plot([start, bend], [cell.value, height], color=colour, linewidth=0.6, clip_on=False)
        axis.plot([bend], [height], color=colour, clip_on=False, **_marker(curve))
        name = f"{curve.metric}, proved" if curve.proved else curve.metric
        axis.text(text, height, name, color=_INK, fontsize=_SMALL, va="center", parse_math=False)


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


def _draw_key(figure: Figure, curves: Sequence[Curve]) -> None:
    kinds = {curve.proved for curve in curves}
    lines = [
        (Line2D([], [], color=_FAINT, linestyle="-", marker="o", markersize=5), "after the strongest attack", False),
        (Line2D([], [], color=_FAINT, linestyle="--", marker="o", markersize=4, mfc="white"), "proved", True),
    ]
    shown = [(line, text) for line, text, kind in lines if kind in kinds]
    shown.append((Line2D([], [], color="0.75", linewidth=0.8), "chance"))
    figure.legend(
        [line for line, _ in shown],
        [text for _, text in shown],
        loc="outside lower center",
        ncols=len(shown),
        frameon=False,
        fontsize=_SMALL,
    )


def _marker(curve: Curve) -> dict[str, Any]:
    """Hollow where proved: solid and dashed stay apart even where they lie on each other."""
    return {
        "marker": _MARKERS[curve.style % len(_MARKERS)],
        "markersize": 4 if curve.proved else 5,
        "markerfacecolor": "white" if curve.proved else _colour(curve),
    }


def _colour(curve: Curve) -> tuple[float, float, float]:
    return _COLOURS[curve.style % len(_COLOURS)]
