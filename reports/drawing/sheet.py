"""Images side by side with words below them."""

import re
import textwrap

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from perceptbench.reports.base import Sheet
from perceptbench.reports.drawing.style import INK, NORMAL, SMALL

_INCHES = 1.75
_WORDS = 30
"""Letters in a line of a caption."""


def draw(sheet: Sheet) -> Figure:
    """Lines below each other; a missing picture leaves its place free."""
    size = (_INCHES * len(sheet.columns), (_INCHES + 0.4) * len(sheet.rows) + 0.25)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02))
    grid = figure.subplots(len(sheet.rows), len(sheet.columns), squeeze=False)
    for axes, row in zip(grid, sheet.rows, strict=True):
        for axis, picture in zip(axes, row, strict=True):
            axis.set_axis_off()
            if picture is not None:
                axis.imshow(picture.pixels, interpolation="nearest")
                words = wrapped(picture.caption)
                axis.text(0.5, -0.03, words, transform=axis.transAxes, ha="center", va="top", fontsize=SMALL - 1,
                          color=INK, parse_math=False)  # fmt: skip
    for axis, name in zip(grid[0], sheet.columns, strict=True):
        axis.set_title(name, fontsize=NORMAL, parse_math=False)
    return figure


def wrapped(caption: str) -> str:
    """Lines that fit below a picture; the names of files break behind an underscore rather than within a word."""
    lines = [""]
    for part in re.findall(r"\s*[^\s_-]*[_-]*", caption):
        first, *more = textwrap.wrap(part, _WORDS, drop_whitespace=False) or [""]
        if len(lines[-1]) + len(first) <= _WORDS:
            lines[-1] += first
        else:
            lines.append(first)
        lines += more
    return "\n".join(line.strip() for line in lines if line.strip())
