"""Scores over eps: what attacks left standing, and below it what is proved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import ClassVar

from perceptbench.reports.axes import Curve, Panel
from perceptbench.reports.base import Chart, report
from perceptbench.reports.cell import Cell
from perceptbench.reports.newest import by_data, by_threat, styles
from perceptbench.reports.tables.bounds import Bound, Budget, bounds
from perceptbench.reports.wording import TRIPLET_TASKS, distinct, eps_axis, file_stem, labels, threat_label
from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.rows import Row
from perceptbench.results.statistics.bands import simultaneous
from perceptbench.results.statistics.estimates import independent
from perceptbench.results.worst_case import WorstCase

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
        looks, charts, sets = styles(records), [], by_data(records)
        stems = distinct([f"robustness_curve_{file_stem(label)}" for _, label, _ in sets])
        for (_, label, mine), name in zip(sets, stems, strict=True):
            found = {threat: bounds(same) for threat, same in by_threat(mine)}
            drawn = {threat: _drawn(known) for threat, known in found.items()}
            # Certificates that promise nothing have no curve, and a data set may have nothing else.
            panels = tuple(_panel(threat, label, shown, looks) for threat, shown in drawn.items() if shown)
            left = any(len(drawn[threat]) < len(_useful(known)) for threat, known in found.items())
            notes = _notes(mine, [bound for shown in drawn.values() for _, bound in shown], panels, fewer=left)
            charts.append(Chart(f"Robustness on {label}", name, panels, notes))
        return [chart for chart in charts if chart.panels]


_Drawn = list[tuple[float, Bound]]
"""eps with its bounds, of one metric after the other, eps rising."""


def _useful(found: Mapping[Budget, Bound]) -> dict[Budget, Bound]:
    return {key: bound for key, bound in found.items() if bound.attacked or bound.proved}


def _drawn(found: Mapping[Budget, Bound]) -> _Drawn:
    """What the curves of a panel are made of: for each metric scores on one and the same number of triplets.

    The largest that was attacked, or where none was, that has proofs: on other triplets a proof bounds another score.
    """
    useful = _useful(found)
    most: dict[str, tuple[bool, int]] = {}
    for (metric, n, _, _), bound in useful.items():
        most[metric] = max(most.get(metric, (False, 0)), (bound.attacked is not None, n))
    return [(eps, bound) for (metric, n, _, eps), bound in useful.items() if n == most[metric][1]]


def _panel(threat: str, data: str, drawn: _Drawn, looks: Mapping[str, tuple[str, int]]) -> Panel:
    curves = [
        curve
        for metric, (name, style) in looks.items()
        for curve in _curves([(eps, bound) for eps, bound in drawn if bound.case.metric == metric], name, style)
    ]
    counts = sorted({cell.n for curve in curves for _, cell in curve.points})
    size = f"n = {' to '.join(str(n) for n in dict.fromkeys((*counts[:1], *counts[-1:])))}"
    newest = drawn[0][1].case.newest
    return Panel(f"{data}, {threat_label(threat)} ({size})", eps_axis(newest.norm, newest.eps_unit), tuple(curves))


def _curves(drawn: _Drawn, name: str, style: int) -> list[Curve]:
    """The curve under all attacks, and the proved one below it; both start at the natural score."""
    if not drawn:
        return []
    start = [(0.0, drawn[0][1].natural)]
    attacked = [(eps, bound.attacked) for eps, bound in drawn if bound.attacked]
    proved = [(eps, bound.proved) for eps, bound in drawn if bound.proved]
    case = drawn[-1][1].case
    sizes = (size for size in case.flip_sizes() if size not in dict(attacked))
    attacked = sorted([*attacked, *((size, row) for size in sizes if (row := case.rows(size)[1]))], key=itemgetter(0))
    runs = {bound.case.newest.run: _minimal(bound.case) for _, bound in drawn}
    pairs = ((False, attacked), (True, proved))
    return [Curve(name, is_proved, banded((*start, *points), runs), style) for is_proved, points in pairs if points]


def _minimal(case: WorstCase) -> Record:
    """The newest run of a case; it says whether one of the attacks looked for the smallest flip."""
    return replace(case.newest, facts={**case.newest.facts, "minimal": case.minimal})


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


def _notes(
    records: Sequence[Record], drawn: Sequence[Bound], panels: Sequence[Panel], *, fewer: bool
) -> tuple[str, ...]:
    """What the lines are, and why other scores of the data set are not drawn."""
    methods = sorted({name for bound in drawn if bound.attacked for name in bound.case.runs})
    notes = []
    if methods:
        notes.append(f"Solid: after all attacks on each metric, of {', '.join(labels(methods).values())}.")
    if any(bound.proved for bound in drawn):
        notes.append("Dashed: proved, no attack on the reference image gets below.")
    bands = BANDS if any(panel.banded for panel in panels) else f"{NO_BANDS}."
    if len({panel.banded for panel in panels}) == 2:
        bands += f" Panels of more than four metrics have none; their {NO_BANDS}."
    notes.append(f"{bands} Grey line: 50 %, the score of a coin.")
    if fewer:
        notes.append(
            "Each metric on the most triplets that were attacked; its scores on fewer or more are in the tables."
        )
    if any(record.spec["certifier"] and not record.facts.get("sound") for record in records):
        notes.append("Certificates that are not sound are left out.")
    return tuple(notes)
