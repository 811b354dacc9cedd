"""Charts as the page's scripts need them: numbers to draw, and the same numbers as text.

A script would round halves in another way than the tables do, so every text is made here.
"""

from functools import singledispatch
from typing import Any

from perceptbench.reports.axes import Axes, Bars, Distribution, Dots, HeatMap, Panel, Scatter
from perceptbench.reports.base import Chart, Table
from perceptbench.reports.cell import Cell, Value
from perceptbench.reports.formats.html_table import interval, number
from perceptbench.reports.wording import eps_text


def chart_data(chart: Chart) -> list[dict[str, Any]]:
    """The panels of a chart as plain values for JSON."""
    return [panel_data(panel) for panel in chart.panels]


def panel_table(panel: Axes) -> Table:
    """Every number of a panel, for those who do not see the drawing or run no scripts."""
    columns, rows = _numbers(panel)
    return Table(panel.title, columns, tuple(rows))


@singledispatch
def panel_data(panel: Axes) -> dict[str, Any]:
    """What is drawn; `kind` names the script that draws it."""
    raise TypeError(f"no script draws {type(panel).__name__}")


@singledispatch
def _numbers(panel: Axes) -> tuple[tuple[str, ...], list[tuple[Value, ...]]]:
    """Columns and rows of the table beside a drawing."""
    raise TypeError(f"no table shows {type(panel).__name__}")


@panel_data.register
def _(panel: Panel) -> dict[str, Any]:
    stops = sorted({eps for curve in panel.curves for eps, _ in curve.points})
    return {
        "kind": "curves",
        "x": panel.x_label,
        "y": panel.y_label,
        "even": panel.even,
        "counts": panel.counts,
        "stops": [[eps, _stop(panel, eps)] for eps in stops],
        **({"found": panel.solid} if panel.steps else {}),
        "curves": [
            {
                "name": curve.metric,
                "style": curve.style,
                "proved": curve.proved,
                "points": [{"x": eps, **_score(cell)} for eps, cell in curve.points],
            }
            for curve in panel.curves
        ],
    }


@_numbers.register
def _(panel: Panel) -> tuple[tuple[str, ...], list[tuple[Value, ...]]]:
    rows: list[tuple[Value, ...]] = [
        (curve.metric, "proved" if curve.proved else _found(panel), _stop(panel, eps), cell, cell.n)
        for curve in panel.curves
        for eps, cell in curve.points
    ]
    at = panel.counts or ("strength" if panel.steps else "eps" if panel.even else "FPR")
    return ("metric", "score", at, "percent", "n"), rows


def _stop(panel: Panel, at: float) -> str:
    """A place on the horizontal axis in words: a step by its name, a whole number of what is counted, else a budget."""
    if panel.steps:
        return panel.steps[int(at)]
    return f"{at:.0f}" if panel.counts else eps_text(at)


def _found(panel: Panel) -> str:
    return panel.solid if panel.steps else "attacked" if panel.even else "found"


@panel_data.register
def _(panel: Bars) -> dict[str, Any]:
    return {
        "kind": "bars",
        "x": panel.x_label,
        "groups": list(panel.groups),
        "series": list(panel.series),
        "cells": [[None if cell is None else _score(cell) for cell in cells] for cells in panel.cells],
    }


@_numbers.register
def _(panel: Bars) -> tuple[tuple[str, ...], list[tuple[Value, ...]]]:
    return ("metric", *panel.series), [(name, *cells) for name, cells in zip(panel.groups, panel.cells, strict=True)]


@panel_data.register
def _(panel: Distribution) -> dict[str, Any]:
    return {
        "kind": "distribution",
        "x": panel.x_label,
        "y": "percent of the values",
        "densities": [
            {
                "name": one.metric,
                "style": one.style,
                "edges": list(one.edges),
                "heights": list(one.heights),
                "smooth": [list(point) for point in one.smooth],
                "mean": one.mean,
                "text": f"{one.mean:.4g}",
                "n": one.n,
            }
            for one in panel.densities
        ],
    }


@_numbers.register
def _(panel: Distribution) -> tuple[tuple[str, ...], list[tuple[Value, ...]]]:
    rows: list[tuple[Value, ...]] = [
        (one.metric, f"{low:.4g}", f"{high:.4g}", f"{height:.4g}")
        for one in panel.densities
        for low, high, height in zip(one.edges, one.edges[1:], one.heights, strict=False)
    ]
    return ("metric", "from", "to", "percent"), rows


@panel_data.register
def _(panel: Scatter) -> dict[str, Any]:
    points = [
        {"name": dots.metric, "x": x, "y": y, "open": is_open, "text": [f"{x:.4g}", _height(y, is_open)]}
        for dots in panel.dots
        for x, y, is_open in _places(dots)
    ]
    return {
        "kind": "scatter",
        "x": panel.x_label,
        "y": panel.y_label,
        "series": [{"name": dots.metric, "style": dots.style} for dots in panel.dots],
        "points": sorted(points, key=lambda point: (point["x"], point["y"])),
    }


@_numbers.register
def _(panel: Scatter) -> tuple[tuple[str, ...], list[tuple[Value, ...]]]:
    rows: list[tuple[Value, ...]] = [
        (dots.metric, f"{x:.4g}", _height(y, is_open)) for dots in panel.dots for x, y, is_open in _places(dots)
    ]
    return ("metric", panel.x_label, panel.y_label), rows


@panel_data.register
def _(panel: HeatMap) -> dict[str, Any]:
    return {
        "kind": "heatMap",
        "x": panel.x_label,
        "y": panel.y_label,
        "rows": list(panel.rows),
        "columns": list(panel.columns),
        "cells": [[None if cell is None else _score(cell) for cell in cells] for cells in panel.cells],
    }


@_numbers.register
def _(panel: HeatMap) -> tuple[tuple[str, ...], list[tuple[Value, ...]]]:
    corner = f"{panel.y_label}, {panel.x_label}:"
    return (corner, *panel.columns), [(name, *cells) for name, cells in zip(panel.rows, panel.cells, strict=True)]


def _places(dots: Dots) -> list[tuple[float, float, bool]]:
    return [*((x, y, False) for x, y in dots.points), *((x, y, True) for x, y in dots.open)]


def _height(y: float, is_open: bool) -> str:
    return f"above {y:.4g}" if is_open else f"{y:.4g}"


def _score(cell: Cell) -> dict[str, Any]:
    return {
        "y": cell.value,
        "low": cell.low,
        "high": cell.high,
        "text": number(cell),
        "interval": interval(cell),
    }
