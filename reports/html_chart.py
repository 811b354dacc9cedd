"""Charts as the page's script wants them: numbers to draw, and words to read out that no script has to format."""

from typing import Any

from reports.base import Cell, Chart, Curve, Panel, Table
from reports.wording import eps_text


def chart_data(chart: Chart) -> list[dict[str, Any]]:
    """The panels of a chart as plain values for JSON."""
    return [_panel_data(panel) for panel in chart.panels]


def chart_table(panel: Panel) -> Table:
    """Every number of a panel, for those who do not see the drawing or run no scripts."""
    rows = [
        (curve.metric, _kind(curve), eps_text(eps), cell, cell.n)
        for curve in panel.curves
        for eps, cell in curve.points
    ]
    return Table(panel.title, ("metric", "bound", "eps", "score", "n"), tuple(rows))


def _panel_data(panel: Panel) -> dict[str, Any]:
    stops = sorted({eps for curve in panel.curves for eps, _ in curve.points})
    return {
        "x": panel.x_label,
        "y": "2AFC score, percent",
        # Text beside every number: scripts round halves otherwise than tables do.
        "stops": [[eps, eps_text(eps)] for eps in stops],
        "curves": [
            {
                "metric": curve.metric,
                "proved": curve.proved,
                "style": curve.style,
                "points": [_point(eps, cell) for eps, cell in curve.points],
            }
            for curve in panel.curves
        ],
    }


def _kind(curve: Curve) -> str:
    return "proved" if curve.proved else "attacked"


def _point(eps: float, cell: Cell) -> dict[str, Any]:
    return {
        "x": eps,
        "y": cell.value,
        "low": cell.low,
        "high": cell.high,
        "text": f"{cell.value:.1f}{cell.mark}",
        "interval": f"[{cell.low:.1f}, {cell.high:.1f}]",
        "n": cell.n,
    }
