"""Points and the diagonal that none may lie below."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from perceptbench.reports.axes import Scatter
from perceptbench.reports.drawing.style import FAINT, GRID, colour, dress, marker

SIZE = (4.2, 4.2)


def draw(axis: Axes, panel: Scatter) -> None:
    """Full markers where both numbers are known; hollow ones where y is at least what is drawn."""
    points = [point for one in panel.dots for point in (*one.points, *one.open)]
    largest = 1.05 * max(max(point) for point in points)
    axis.fill_between([0, largest], [0, largest], color="0.92", linewidth=0, zorder=0)
    axis.plot([0, largest], [0, largest], color=GRID, linewidth=0.8, zorder=1)
    for one in panel.dots:
        for values, hollow in ((one.points, False), (one.open, True)):
            if not values:
                continue  # an empty line would still get a place in the corner of the figure
            look = marker(one.style, hollow)
            axis.plot(
                [x for x, _ in values], [y for _, y in values], linestyle="", color=colour(one.style), alpha=0.8,
                **look | {"markersize": 4}, clip_on=False, markeredgewidth=0.8, zorder=2,
            )  # fmt: skip
    axis.set_xlim(0, largest)
    axis.set_ylim(0, largest)
    axis.text(largest * 0.97, largest * 0.03, "would contradict the proof", ha="right", fontsize=7, color=FAINT)
    dress(axis, panel.title, panel.x_label, panel.y_label)


def key(panels: Sequence[Scatter]) -> list[tuple[Line2D, str]]:
    """The metrics, and what hollow markers are."""
    styles = {one.metric: one.style for panel in panels for one in panel.dots}
    lines = [(Line2D([], [], linestyle="", color=colour(s), **marker(s)), name) for name, s in styles.items()]
    if any(one.open for panel in panels for one in panel.dots):
        lines.append(
            (Line2D([], [], linestyle="", color=FAINT, marker="o", mfc="white", markersize=4), "no flip found")
        )
    return lines
