"""Draws charts and sheets as PNG and PDF. Figure objects: no display, no global state, no date in the file."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from perceptbench.reports.axes import Bars, Distribution, Efforts, HeatMap, Panel, Scatter
from perceptbench.reports.base import Chart, Sheet
from perceptbench.reports.drawing import bars, curves, efforts, heat_map, histograms, scatter, sheet
from perceptbench.reports.drawing.legible import legible
from perceptbench.reports.drawing.style import SMALL

DPI = 200
FORMS = ("png", "pdf")
_ABOVE_EACH_OTHER = 2
"""Panels side by side before another line of them begins."""


class _Kind(NamedTuple):
    """How one kind of panel is drawn."""

    draw: Callable[[Axes, Any], None]
    key: Callable[[Sequence[Any]], Sequence[tuple[Any, str]]]
    size: Callable[[Sequence[Any]], tuple[float, float]]
    """Inches of one panel."""


_KINDS: dict[type, _Kind] = {
    Panel: _Kind(curves.draw, curves.key, lambda panels: curves.SIZE),
    Bars: _Kind(bars.draw, bars.key, bars.size),
    Distribution: _Kind(histograms.draw, histograms.key, lambda panels: histograms.SIZE),
    Scatter: _Kind(scatter.draw, scatter.key, lambda panels: scatter.SIZE),
    HeatMap: _Kind(heat_map.draw, heat_map.key, heat_map.size),
    Efforts: _Kind(efforts.draw, efforts.key, lambda panels: efforts.SIZE),
}


class ShownFigure(Figure):
    """A figure that notebooks show by themselves, though no display was set up for it."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        FigureCanvasAgg(self).print_png(content)
        return content.getvalue()


def drawn(block: Chart | Sheet) -> Figure:
    """The figure of a block. Its words stand there as they are: none is read as a formula."""
    shown = legible(block)
    figure = sheet.draw(shown) if isinstance(shown, Sheet) else _chart(shown)
    for words in figure.findobj(Text):
        words.set_parse_math(False)
    return figure


def save(block: Chart | Sheet, path: Path, form: str) -> None:
    """Write the figure of a block as `png` or `pdf`: the same bytes for the same block and matplotlib."""
    undated = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None}}[form]
    # Outlines of whole fonts (42) stay text that journals accept; drawn letters (3) do not.
    with mpl.rc_context({"pdf.fonttype": 42}):
        FigureCanvasAgg(drawn(block)).print_figure(path, dpi=DPI, format=form, metadata=undated)


def _chart(chart: Chart) -> Figure:
    kind = _KINDS[type(chart.panels[0])]
    across = min(len(chart.panels), _ABOVE_EACH_OTHER)
    down = -(-len(chart.panels) // across)
    width, height = kind.size(chart.panels)
    figure = ShownFigure(figsize=(width * across, height * down), layout="constrained")
    places = figure.subplots(down, across, squeeze=False).flatten()
    for axis, panel in zip(places, chart.panels, strict=False):
        kind.draw(axis, panel)
    for axis in places[len(chart.panels) :]:
        axis.set_axis_off()
    if key := kind.key(chart.panels):
        figure.legend(
            [line for line, _ in key], [text for _, text in key], loc="outside lower center",
            # What needs a second line is set in three columns: four long names are wider than a panel.
            ncols=min(len(key), (4 if len(key) <= 4 * across else 3) * across), frameon=False, fontsize=SMALL,
        )  # fmt: skip
    return figure
