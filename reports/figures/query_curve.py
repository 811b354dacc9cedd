"""Success against queries: how many right answers an attack that sees answers alone has turned, after so many."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.axes import Curve, Panel
from perceptbench.reports.base import Chart, report
from perceptbench.reports.cell import Cell
from perceptbench.reports.newest import by_data, by_threat, newest_first, styles
from perceptbench.reports.wording import distinct, eps_text, file_stem, threat_label, unit_notes
from perceptbench.results.queries import counts_queries, success
from perceptbench.results.record import Record
from perceptbench.results.rows import attack_name

NOTE = (
    "Of the triplets that a metric had right, the share that was wrong after so many forward passes of the search for "
    "each triplet. Bands: 95 % at each point by itself; lines between points only lead the eye."
)


@report("query-curve", source="arXiv:1904.02144, figure 4, has the size over queries")
@dataclass(frozen=True, slots=True)
class QueryCurve:
    """The share of right answers that is lost over the number of queries, one picture a data set and threat."""

    place: ClassVar[int] = 3
    tasks: ClassVar[tuple[str, ...] | None] = ("preference",)

    def __call__(self, records: Sequence[Record]) -> list[Chart]:
        """One panel an eps, of runs in which nothing needed a gradient."""
        looks, mine = styles(records), [record for record in records if counts_queries(record)]
        found = [(label, threat, same) for _, label, own in by_data(mine) for threat, same in by_threat(own)]
        stems = distinct([f"queries_{file_stem(threat)}_{file_stem(label)}" for label, threat, _ in found])
        charts = []
        for (label, threat, same), stem in zip(found, stems, strict=True):
            budgets = sorted({eps for record in same for eps in record.spec["eps"]})
            panels = tuple(panel for eps in budgets if (panel := _panel(threat, eps, same, looks)))
            title = f"Success against queries on {label}, {threat_label(threat)}"
            charts.append(Chart(title, stem, panels, (NOTE, *unit_notes(same[:1]))))
        return [chart for chart in charts if chart.panels]


def _panel(threat: str, eps: float, records: Sequence[Record], looks: dict[str, tuple[str, int]]) -> Panel | None:
    """Of each metric and attack the newest run; None where no metric answered a triplet right."""
    newest: dict[tuple[str, str], Record] = {}
    for record in newest_first(records):
        if eps in record.spec["eps"]:
            newest.setdefault((record.spec["metric"], attack_name(record)), record)
    several = len({attack for _, attack in newest}) > 1
    curves = []
    for (metric, attack), record in sorted(newest.items()):
        if points := [(at, Cell.share(share)) for at, share in success(record, eps)]:
            name, style = looks[metric]
            curves.append(Curve(f"{name}, {attack}" if several else name, False, tuple(points), style))
    if not curves:
        return None
    attacks = ", ".join(sorted({attack for _, attack in newest}))
    return Panel(
        f"{threat_label(threat)} eps {eps_text(eps)}, {attacks}", "queries of a triplet", tuple(curves),
        y_label="right answers lost, percent", solid="lost", even=False, counts="queries",
    )  # fmt: skip
