"""Agreement with people before and after an attack, and what of it is proved, at one eps."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from perceptbench.reports.axes import Bars
from perceptbench.reports.base import Chart, report
from perceptbench.reports.cell import Cell
from perceptbench.reports.newest import by_data, by_threat
from perceptbench.reports.tables.bounds import attacked_cell, bounds, lacking_notes
from perceptbench.reports.wording import TRIPLET_TASKS, distinct, eps_text, file_stem, labels, threat_label, unit_notes
from perceptbench.results.record import Record
from perceptbench.results.worst_case import lacking

NOTE = (
    "Each metric at the same eps, after all of its attacks on the reference image; best natural score first. "
    "Lines: 95 % intervals over n triplets."
)


@report("alignment", source="arXiv:2310.18274 (LipSim), figure 3a")
@dataclass(frozen=True, slots=True)
class Alignment:
    """Natural, attacked and certified 2AFC score as bars, one picture a data set, one panel a threat."""

    place: ClassVar[int] = 4
    tasks: ClassVar[tuple[str, ...] | None] = TRIPLET_TASKS

    def __call__(self, records: Sequence[Record]) -> list[Chart]:
        """One chart a data set that was attacked."""
        sets = by_data(records)
        names = distinct([f"alignment_{file_stem(label)}" for _, label, _ in sets])
        charts = []
        for (_, label, mine), name in zip(sets, names, strict=True):
            panels = [panel for threat, same in by_threat(mine) if (panel := _panel(threat, label, same))]
            if panels:
                said = dict.fromkeys(note for _, notes in panels for note in notes)
                shown = _trimmed([bars for bars, _ in panels])
                notes = (NOTE, *said, *unit_notes(mine))
                charts.append(Chart(f"2AFC score on {label}, natural and attacked", name, shown, notes))
        return charts


def _trimmed(panels: Sequence[Bars]) -> tuple[Bars, ...]:
    """Without the place for proofs where no panel has one: all panels of a chart share their series and shades."""
    width = 3 if any(line[2] for panel in panels for line in panel.cells) else 2
    return tuple(
        replace(panel, series=panel.series[:width], cells=tuple(line[:width] for line in panel.cells))
        for panel in panels
    )


def _panel(threat: str, data: str, records: Sequence[Record]) -> tuple[Bars, list[str]] | None:
    """The bars and what must be said of them; None where nothing was attacked under this threat."""
    attacked = {key: bound for key, bound in bounds(records).items() if bound.attacked}
    if not attacked:
        return None
    metrics = Counter(eps for metric, eps in {(metric, eps) for metric, _, _, eps in attacked})
    eps = max(metrics, key=lambda value: (metrics[value], value))
    # In order of n, so that the largest stays.
    most = {metric: n for metric, n, _, at in attacked if at == eps}
    at = {(metric, n): attacked[metric, n, threat, eps] for metric, n in most.items()}
    order = sorted(most.items(), key=lambda item: -at[item].natural.score)
    lacks = lacking({metric: bound.met for (metric, _), bound in at.items()})
    cells = [
        (Cell.of(bound.natural), attacked_cell(bound, lacks), Cell.of(bound.proved) if bound.proved else None)
        for bound in map(at.__getitem__, order)
    ]
    counts, names = set(most.values()), labels(metric for metric, _ in order)
    one = len(counts) == 1
    bars = Bars(
        title=f"{data}, {threat_label(threat)} eps {eps_text(eps)}" + (f" (n = {counts.pop()})" if one else ""),
        x_label="2AFC score, percent",
        groups=tuple(names[metric] if one else f"{names[metric]} (n = {n})" for metric, n in order),
        series=("natural", "after all attacks", "proved"),
        cells=tuple(cells),
    )
    return bars, lacking_notes(lacks, names)
