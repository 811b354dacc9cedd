"""Scores over eps: what attacks left standing, and below it what is proved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from perceptbench.reports.base import Cell, Chart, Curve, Panel, report
from perceptbench.reports.newest import by_data, newest_rows, styles
from perceptbench.reports.tables.bounds import bounds
from perceptbench.reports.wording import TRIPLET_TASKS, distinct, eps_axis, file_stem, labels, threat_label
from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.rows import Row
from perceptbench.results.statistics.bands import simultaneous
from perceptbench.results.statistics.estimates import independent
from perceptbench.results.tasks.preference import curve_rows

FEW = 8
"""eps for which intervals at once cost less width than a band over all eps."""
BANDS = "Bands: 95 % for all marked points of a curve at once; lines between them only lead the eye."
NO_BANDS = "95 % intervals are in the tables"


@report("robustness-curve", source="arXiv:1902.06705 asks for accuracy over the whole range of eps")
@dataclass(frozen=True, slots=True)
class RobustnessCurve:
    """Attacked and certified 2AFC score over eps, one picture a data set, one panel a threat."""

    place: ClassVar[int] = 3
    tasks: ClassVar[tuple[str, ...] | None] = TRIPLET_TASKS

    def __call__(self, records: Sequence[Record]) -> list[Chart]:
        """One chart a data set that was attacked or certified; threats are never mixed."""
        dense = [row for record in records for row in curve_rows(record)]
        rows = [row for row in (*newest_rows(records), *dense) if row.unit == "percent"]
        looks, runs = styles(records), {record.run: record for record in records}
        charts, sets = [], by_data(records)
        stems = distinct([f"robustness_curve_{file_stem(label)}" for _, label, _ in sets])
        for (data, label, _), name in zip(sets, stems, strict=True):
            mine = [row for row in rows if row.data == data]
            drawn = {threat: _drawn(threat, mine) for threat in sorted({r.threat for r in mine if r.threat})}
            # Certificates that promise nothing have no curve, and a data set may have nothing else.
            panels = tuple(_panel(threat, label, shown, looks, runs) for threat, shown in drawn.items() if shown)
            charts.append(Chart(f"Robustness on {label}", name, panels, _notes(mine, [*drawn.values()], panels)))
        return [chart for chart in charts if chart.panels]


def _drawn(threat: str, rows: Sequence[Row]) -> list[Row]:
    """What the curves of a panel are made of: for each metric scores on one and the same number of triplets.

    The largest that was attacked, or where none was, that has proofs: on other triplets a proof bounds another score.
    """
    drawable = [row for row in rows if _drawable(row) and row.threat in (None, threat)]
    most: dict[str, tuple[bool, int]] = {}
    for row in drawable:
        if row.threat:
            most[row.metric] = max(most.get(row.metric, (False, 0)), (row.kind == "attack", row.n))
    return [row for row in drawable if row.metric in most and row.n == most[row.metric][1]]


def _drawable(row: Row) -> bool:
    """Whether a row may have a place on a curve."""
    return not row.options and (row.kind != "certificate" or bool(row.sound))


def _panel(
    threat: str, data: str, rows: Sequence[Row], looks: Mapping[str, tuple[str, int]], runs: Mapping[str, Record]
) -> Panel:
    curves = [
        curve
        for metric, (name, style) in looks.items()
        for curve in _curves([row for row in rows if row.metric == metric], name, style, runs)
    ]
    counts = sorted({cell.n for curve in curves for _, cell in curve.points})
    size = f"n = {' to '.join(str(n) for n in dict.fromkeys((*counts[:1], *counts[-1:])))}"
    norm, unit = next((row.norm, row.eps_unit) for row in rows if row.threat)
    return Panel(f"{data}, {threat_label(threat)} ({size})", eps_axis(norm, unit), tuple(curves))


def _curves(rows: Sequence[Row], name: str, style: int, runs: Mapping[str, Record]) -> list[Curve]:
    """The curve under the strongest attack, and the proved one below it; both start at the natural score."""
    start = [(0.0, row) for row in rows if row.kind == "natural"][:1]
    found = sorted(bounds(rows).items(), key=lambda item: item[0][3])
    attacked = _never_rising([(eps, row) for (_, _, _, eps), (_, row) in found if row is not None])
    proved = [(eps, row) for (_, _, _, eps), (row, _) in found if row is not None]
    pairs = ((False, attacked), (True, proved))
    return [Curve(name, is_proved, banded((*start, *points), runs), style) for is_proved, points in pairs if points]


def banded(points: Sequence[tuple[float, Row]], runs: Mapping[str, Record]) -> tuple[tuple[float, Cell], ...]:
    """The scores at each eps with intervals that all hold at once with 95 % confidence.

    Up to FEW eps get intervals of Clopper and Pearson; more, and those that an attack for the smallest flip
    found by itself, the band of Dvoretzky, Kiefer and Wolfowitz (`simultaneous`). Which one does not depend on
    the scores. Triplets that share references count as in results/statistics/survival.py.
    """
    rows = [row for _, row in points]
    counts = {run: _independent(runs[run]) for run in {row.run for row in rows}}
    found = any(row.kind == "attack" and runs[row.run].facts.get("minimal") for row in rows)
    low, high = simultaneous(
        [row.score / 100 for row in rows],
        [counts[row.run] for row in rows],
        "Dvoretzky-Kiefer-Wolfowitz" if found or len(rows) > FEW else "Clopper-Pearson, Bonferroni",
    )
    return tuple(
        (eps, replace(Cell.of(row), low=100 * float(below), high=100 * float(above)))
        for (eps, row), below, above in zip(points, low, high, strict=True)
    )


def _independent(record: Record) -> float:
    return independent(references(record, record.samples["id"].unique()).tolist())


def _never_rising(points: list[tuple[float, Row]]) -> list[tuple[float, Row]]:
    """A flip found at a smaller eps also counts at every larger one, whichever attack found it."""
    return [(eps, min((row for at, row in points if at <= eps), key=lambda row: row.score)) for eps, _ in points]


def _notes(rows: Sequence[Row], drawn: Sequence[Sequence[Row]], panels: Sequence[Panel]) -> tuple[str, ...]:
    """What the lines are: of the rows drawn, panel by panel, and why others of the data set are not."""
    shown = [row for panel in drawn for row in panel]
    methods = sorted({labels([r.method])[r.method] for r in shown if r.kind == "attack" and r.method})
    notes = []
    if methods:
        notes.append(f"Solid: after the strongest attack on each metric, of {', '.join(methods)}.")
    if any(row.kind == "certificate" for row in shown):
        notes.append("Dashed: proved, no attack on the reference image gets below.")
    bands = BANDS if any(panel.banded for panel in panels) else f"{NO_BANDS}."
    if len({panel.banded for panel in panels}) == 2:
        bands += f" Panels of more than four metrics have none; their {NO_BANDS}."
    notes.append(f"{bands} Grey line: 50 %, the score of a coin.")
    if {row for row in rows if row.threat and _drawable(row)} - set(shown):
        notes.append(
            "Each metric on the most triplets that were attacked; its scores on fewer or more are in the tables."
        )
    if any(row.kind == "certificate" and not row.sound for row in rows):
        notes.append("Certificates that are not sound are left out.")
    return tuple(notes)
