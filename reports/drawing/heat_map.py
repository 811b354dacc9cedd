"""A grid of numbers, darker where they are larger; each cell says its number and, below it, its interval."""

from collections.abc import Sequence

import seaborn
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from perceptbench.reports.axes import HeatMap
from perceptbench.reports.cell import Cell
from perceptbench.reports.drawing.style import INK, SMALL, dress

_CELL = 0.72
"""Inches of a cell."""
_LETTER = 0.068
"""Inches of a letter, about."""
_DARK = 35
"""From this number on, the ink is white."""


def size(panels: Sequence[HeatMap]) -> tuple[float, float]:
    """Inches of a panel: cells of one size, and room for the longest name."""
    across = max(len(panel.columns) for panel in panels)
    down = max(len(panel.rows) for panel in panels)
    longest = max(len(name) for panel in panels for name in (*panel.rows, *panel.columns))
    return max(4.0, 0.5 + _LETTER * longest + _CELL * across), 1.2 + _LETTER * longest * 0.6 + 0.7 * _CELL * down


def draw(axis: Axes, panel: HeatMap) -> None:
    """The first row on top; a missing cell is white and says nothing."""
    shades = seaborn.color_palette("crest", as_cmap=True)
    for row, cells in enumerate(panel.cells):
        for column, cell in enumerate(cells):
            if cell is not None:
                axis.axvspan(
                    column - 0.5, column + 0.5, *_heights(row, len(panel.rows)), color=shades(_shade(cell)), linewidth=0
                )
                _say(axis, column, row, cell)
    axis.set_xlim(-0.5, len(panel.columns) - 0.5)
    axis.set_ylim(len(panel.rows) - 0.5, -0.5)
    axis.set_xticks(range(len(panel.columns)), panel.columns, rotation=35, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(panel.rows)), panel.rows)
    dress(axis, panel.title, panel.x_label, panel.y_label)
    axis.tick_params(length=0)
    axis.spines[["left", "bottom"]].set_visible(False)


def key(panels: Sequence[HeatMap]) -> list[tuple[Line2D, str]]:
    """None: every cell says its number."""
    return []


def _heights(row: int, rows: int) -> tuple[float, float]:
    """Lower and upper end of a row as shares of the axis."""
    return 1 - (row + 1) / rows, 1 - row / rows


def _shade(cell: Cell) -> float:
    return min(max(cell.value / 100, 0.0), 1.0)


def _say(axis: Axes, column: int, row: int, cell: Cell) -> None:
    value, low, high = cell.words
    ink = "white" if cell.value >= _DARK else INK
    axis.text(column, row - 0.12, f"{value}{cell.mark}", ha="center", va="center", fontsize=SMALL, color=ink)
    axis.text(column, row + 0.24, f"{low} to {high}", ha="center", va="center", fontsize=SMALL - 3, color=ink)
