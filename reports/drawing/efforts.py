"""Excess over an optimum against cost, both logarithmic: a line through the efforts of each attack."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from perceptbench.reports.axes import Efforts
from perceptbench.reports.drawing.style import GRID, SMALL, colour, dress, marker

SIZE = (5.2, 4.2)
_NONE = 1000.0
"""Percent at which points without a success are drawn."""


def draw(axis: Axes, panel: Efforts) -> None:
    """Points joined by attack, and the front as grey steps; hollow points at the top have no success."""
    axis.set_xscale("log")
    axis.set_yscale("log")
    if panel.front:
        axis.plot(
            [x for x, _ in panel.front], [y for _, y in panel.front], color=GRID, linewidth=5, alpha=0.6,
            drawstyle="steps-post", solid_capstyle="round", zorder=0,
        )  # fmt: skip
    for line in panel.lines:
        known = [(x, y) for x, y in line.points if math.isfinite(y)]
        axis.plot(
            [x for x, _ in known], [y for _, y in known], color=colour(line.style), linewidth=1,
            **marker(line.style), alpha=0.9, zorder=2,
        )  # fmt: skip
        if lost := [x for x, y in line.points if not math.isfinite(y)]:
            look = marker(line.style, hollow=True)
            axis.plot(lost, [_NONE] * len(lost), linestyle="", color=colour(line.style), **look, zorder=2)
    axis.set_ylim(panel.floor / 2, _NONE * 2)
    ticks = [10.0**power for power in range(round(math.log10(panel.floor)), 3)]
    axis.set_yticks([*ticks, _NONE], [*(f"{tick:g}" for tick in ticks), "none"])
    axis.tick_params(which="minor", left=False)
    # The labels of matplotlib are formulas, and no words of a figure are read as one.
    axis.xaxis.set_major_formatter(FuncFormatter(lambda passes, _: f"{passes:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    dress(axis, panel.title, panel.x_label, panel.y_label)
    axis.tick_params(labelsize=SMALL)


def key(panels: Sequence[Efforts]) -> list[tuple[Line2D, str]]:
    """The attacks, and what the grey line is."""
    styles = {line.name: line.style for panel in panels for line in panel.lines}
    lines = [
        (Line2D([], [], color=colour(style), linewidth=1, **marker(style)), name) for name, style in styles.items()
    ]
    return [*lines, (Line2D([], [], color=GRID, linewidth=5, alpha=0.6), "best for its passes")]
