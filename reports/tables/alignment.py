"""Agreement with people before and after an attack, and what of it is proved, at one eps."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from perceptbench.reports.base import Bars, Cell, Chart, report
from perceptbench.reports.newest import by_data, by_threat, newest_rows
from perceptbench.reports.tables.bounds import bounds
from perceptbench.reports.wording import TRIPLET_TASKS, distinct, eps_text, file_stem, labels, threat_label, unit_notes
from perceptbench.results.record import Record
from perceptbench.results.rows import Row

NOTE = (
    "Each metric at the same eps, after the strongest of its attacks on the reference image; best natural score first. "
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
            rows = [row for row in newest_rows(mine) if row.unit == "percent"]
            panels = [_panel(threat, label, rows) for threat, _ in by_threat(mine)]
            shown = _trimmed([panel for panel in panels if panel is not None])
            if shown:
                charts.append(
                    Chart(f"2AFC score on {label}, natural and attacked", name, shown, (NOTE, *unit_notes(mine)))
                )
        return charts


def _trimmed(panels: Sequence[Bars]) -> tuple[Bars, ...]:
    """Without the place for proofs where no panel has one: all panels of a chart share their series and shades."""
    width = 3 if any(line[2] for panel in panels for line in panel.cells) else 2
    return tuple(
        replace(panel, series=panel.series[:width], cells=tuple(line[:width] for line in panel.cells))
        for panel in panels
    )


def _panel(threat: str, data: str, rows: Sequence[Row]) -> Bars | None:
    """None where nothing was attacked under this threat."""
    attacked = {key: pair for key, pair in bounds(rows).items() if key[2] == threat and pair[1] is not None}
    if not attacked:
        return None
    metrics = Counter(eps for metric, eps in {(metric, eps) for metric, _, _, eps in attacked})
    eps = max(metrics, key=lambda value: (metrics[value], value))
    natural = {(row.metric, row.n): row for row in rows if row.kind == "natural" and not row.options}
    # In order of n, so that the largest stays.
    most = {metric: n for metric, n, _, at in sorted(attacked) if at == eps and (metric, n) in natural}
    order = sorted(most.items(), key=lambda item: -natural[item].score)
    cells = []
    for metric, n in order:
        proved, broken = attacked[metric, n, threat, eps]
        cells.append(tuple(None if row is None else Cell.of(row) for row in (natural[metric, n], broken, proved)))
    counts, names = set(most.values()), labels(metric for metric, _ in order)
    one = len(counts) == 1
    return Bars(
        title=f"{data}, {threat_label(threat)} eps {eps_text(eps)}" + (f" (n = {counts.pop()})" if one else ""),
        x_label="2AFC score, percent",
        groups=tuple(names[metric] if one else f"{names[metric]} (n = {n})" for metric, n in order),
        series=("natural", "after the strongest attack", "proved"),
        cells=tuple(cells),
    )
