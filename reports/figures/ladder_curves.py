"""Natural scores over the strength of benign edits: a panel an edit, a curve a metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.axes import Curve, Panel
from perceptbench.reports.base import Chart, report
from perceptbench.reports.cell import Cell
from perceptbench.reports.newest import styles
from perceptbench.reports.tables.ladder_scores import cells, climbed
from perceptbench.reports.wording import distinct, file_stem
from perceptbench.results.record import Record
from perceptbench.results.tasks.ladder import UNEDITED

NOTE = (
    "Each curve begins at the score on the triplets as they are, and follows an edit of the reference from weak to "
    "strong, at equal steps; nobody attacks. 95 % intervals are in the table. Grey line: 50 %, the score of a coin."
)


@report("ladder-curves", source="arXiv:1903.12261 (ImageNet-C) has rungs of this kind for classifiers")
@dataclass(frozen=True, slots=True)
class LadderCurves:
    """What benign edits leave of the natural score."""

    place: ClassVar[int] = 3
    tasks: ClassVar[tuple[str, ...] | None] = ("ladder",)

    def __call__(self, records: Sequence[Record]) -> list[Chart]:
        """One chart for each table."""
        looks, found = styles(records), list(climbed(records))
        stems = distinct([f"ladder_curves_{file_stem(label)}" for label, _ in found])
        charts = []
        for (label, runs), stem in zip(found, stems, strict=True):
            scores = {metric: cells(record) for metric, record in runs.items()}
            edits = dict.fromkeys(rung.split()[0] for one in scores.values() for rung in one if rung != UNEDITED)
            panels = tuple(_panel(edit, scores, looks) for edit in edits)
            charts.append(Chart(f"Benign edits of the reference on {label}", stem, panels, (NOTE,)))
        return [chart for chart in charts if chart.panels]


def _panel(edit: str, scores: dict[str, dict[str, Cell]], looks: dict[str, tuple[str, int]]) -> Panel:
    rungs = [rung for rung in next(iter(scores.values())) if rung.split()[0] == edit]
    steps = ("none", *(rung.split()[1] for rung in rungs))
    curves = tuple(
        Curve(looks[metric][0], proved=False, style=looks[metric][1], points=_points(found, rungs))
        for metric, found in scores.items()
    )
    n = curves[0].points[0][1].n
    return Panel(f"{edit} (n = {n})", f"{edit}, weak to strong", curves, solid="natural", steps=steps)


def _points(found: dict[str, Cell], rungs: Sequence[str]) -> tuple[tuple[float, Cell], ...]:
    return tuple((float(at), found[rung]) for at, rung in enumerate((UNEDITED, *rungs)))
