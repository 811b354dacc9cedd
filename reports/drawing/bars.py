"""Horizontal bars with their intervals and numbers, a group a metric."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from perceptbench.reports.axes import Bars
from perceptbench.reports.drawing.style import GRID, INK, SMALL, dress, ramp

_HALO = [withStroke(linewidth=2, foreground="white")]
"""A white outline: the dark line of an interval stays visible on a dark bar."""
_THICK = 0.8
"""Of a group, where 1 is the distance to the next."""


def size(panels: Sequence[Bars]) -> tuple[float, float]:
    """Inches of a panel: as high as the longest needs."""
    rows = max(len(panel.groups) * max(2, len(panel.series)) for panel in panels)
    return 5.6, 1.3 + 0.16 * rows


def draw(axis: Axes, panel: Bars) -> None:
    """Bars from the top in the order given; a missing cell leaves its place free."""
    height = _THICK / len(panel.series)
    for number, shade in enumerate(ramp(len(panel.series))):
        for group, cells in enumerate(panel.cells):
            cell = cells[number]
            if cell is None:
                continue
            at = group - _THICK / 2 + (number + 0.5) * height
            axis.barh(at, cell.value, height, color=shade, linewidth=0)
            axis.plot([cell.low, cell.high], [at, at], color=INK, linewidth=0.8, clip_on=False, path_effects=_HALO)
            axis.text(
                max(cell.value, cell.high) + 1, at, f"{cell.value:.1f}{cell.mark}", fontsize=SMALL - 2, color=INK,
                va="center_baseline", parse_math=False,
            )  # fmt: skip
    axis.set_yticks(range(len(panel.groups)), panel.groups, parse_math=False)
    axis.set_ylim(len(panel.groups) - 0.45, -0.55)
    axis.set_xlim(0, 100)
    axis.set_xticks(range(0, 101, 25))
    axis.grid(axis="x", color=GRID, linewidth=0.5)
    axis.set_axisbelow(True)
    dress(axis, panel.title, panel.x_label, "")
    axis.tick_params(axis="y", length=0)


def key(panels: Sequence[Bars]) -> list[tuple[Patch, str]]:
    """What the shades are: the panels of a chart have the same series."""
    series = panels[0].series
    return [(Patch(color=shade), name) for shade, name in zip(ramp(len(series)), series, strict=True)]
