"""Scores over eps: what attacks left standing, and below it what is proved."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from reports.base import Cell, Chart, Curve, Panel, report
from reports.current import by_data, current_rows, styles
from reports.sandwich import bounds
from reports.wording import NORMS, distinct, eps_axis, file_stem, labels
from results.record import Record
from results.rows import Row, curve_rows
from results.statistics import CONFIDENCE, proportion

FEW = 8
"""eps for which intervals at once cost less width than a band over all eps."""


@report("robustness-curve", source="arXiv:1902.06705 asks for accuracy over the whole range of eps")
@dataclass(frozen=True, slots=True)
class RobustnessCurve:
    """Attacked and certified 2AFC score over eps, one picture a data set, one panel a norm."""

    place: ClassVar[int] = 3

    def __call__(self, records: Sequence[Record]) -> list[Chart]:
        """One chart a data set that was attacked or certified; norms are never mixed."""
        dense = [row for record in records for row in curve_rows(record)]
        rows = [row for row in (*current_rows(records), *dense) if row.unit == "percent"]
        looks = styles(records)
        charts, sets = [], by_data(records)
        stems = distinct([f"robustness_curve_{file_stem(label)}" for _, label, _ in sets])
        for (data, label, _), name in zip(sets, stems, strict=True):
            mine = [row for row in rows if row.data == data]
            drawn = (_panel(norm, label, mine, looks) for norm in sorted({r.norm for r in mine if r.norm}))
            # Certificates that promise nothing have no curve, and a data set may have nothing else.
            panels = tuple(panel for panel in drawn if panel.curves)
            charts.append(Chart(f"Robustness on {label}", name, panels, _notes(mine, panels)))
        return [chart for chart in charts if chart.panels]


def _panel(norm: str, data: str, rows: Sequence[Row], looks: dict[str, tuple[str, int]]) -> Panel:
    curves = []
    for metric, (name, style) in looks.items():
        mine = [row for row in rows if row.metric == metric and row.norm in (None, norm)]
        if not any(row.norm for row in mine):
            continue
        n = max(row.n for row in mine if row.norm)
        curves += _curves([row for row in mine if row.n == n], name, style)
    counts = sorted({cell.n for curve in curves for _, cell in curve.points})
    size = f"n = {' to '.join(str(n) for n in dict.fromkeys((*counts[:1], *counts[-1:])))}"
    return Panel(f"{data}, {NORMS.get(norm, norm)} ({size})", eps_axis(norm), tuple(curves))


def _curves(rows: Sequence[Row], name: str, style: int) -> list[Curve]:
    """The curve under the strongest attack, and the proved one below it; both start unharmed."""
    start = [(0.0, Cell.of(row)) for row in rows if row.kind == "natural"][:1]
    found = sorted(bounds(rows).items(), key=lambda item: item[0][3])
    attacked = _falling([(eps, Cell.of(row)) for (_, _, _, eps), (_, row) in found if row is not None])
    proved = [(eps, Cell.of(row)) for (_, _, _, eps), (row, _) in found if row is not None]
    pairs = ((False, attacked), (True, proved))
    return [Curve(name, is_proved, banded((*start, *points)), style) for is_proved, points in pairs if points]


def banded(points: Sequence[tuple[float, Cell]]) -> tuple[tuple[float, Cell], ...]:
    """The same scores with intervals that all hold at once with 95 % confidence, so that the curve lies in the band.

    Up to FEW eps each gets the interval of Clopper and Pearson with its share of the 5 % (Bonferroni); more eps
    that of Dvoretzky, Kiefer and Wolfowitz, as in results/survival.py. Which one does not depend on the scores.
    """
    cells = [cell for _, cell in points]
    if len(points) <= FEW:
        level = 1 - (1 - CONFIDENCE) / len(points)
        ends = [proportion(np.full(cell.n, cell.value / 100), "clopper-pearson", level) for cell in cells]
        bounds_of = [(100 * end.low, 100 * end.high) for end in ends]
    else:
        halves = [100 * math.sqrt(math.log(2 / (1 - CONFIDENCE)) / (2 * cell.n)) for cell in cells]
        bounds_of = [(max(c.value - half, 0), min(c.value + half, 100)) for c, half in zip(cells, halves, strict=True)]
    wider = (replace(cell, low=low, high=high) for cell, (low, high) in zip(cells, bounds_of, strict=True))
    return tuple((eps, cell) for (eps, _), cell in zip(points, wider, strict=True))


def _falling(points: list[tuple[float, Cell]]) -> list[tuple[float, Cell]]:
    """What fell at a smaller eps has fallen at every larger one, whichever attack it was."""
    return [(eps, min((cell for at, cell in points if at <= eps), key=lambda cell: cell.value)) for eps, _ in points]


def _notes(rows: Sequence[Row], panels: Sequence[Panel]) -> tuple[str, ...]:
    methods = sorted({labels([r.method])[r.method] for r in rows if r.kind == "attack" and r.method})
    bands = (
        "Bands: 95 % for whole curves."
        if all(panel.banded for panel in panels)
        else "95 % intervals are in the tables."
    )
    notes = [f"{bands} Grey line: 50 %, the score of a coin."]
    if methods:
        notes.insert(0, f"Solid: after the strongest attack on each metric, of {', '.join(methods)}.")
    if any(row.kind == "certificate" and row.sound for row in rows):
        notes.insert(1, "Dashed: proved, no attack on the reference image gets below.")
    if any(row.kind == "certificate" and not row.sound for row in rows):
        notes.append("Certificates that are not sound are left out.")
    return tuple(notes)
