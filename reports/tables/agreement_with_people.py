"""Agreement with people over data sets, and how much of it is proved: one line a data set and metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.cell import Cell, Value
from perceptbench.reports.wording import TRIPLET_TASKS, eps_text, labels
from perceptbench.results.ledger import Ledger
from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.rows import Row, default_question
from perceptbench.results.worst_case import WorstCase

PROVED_AT = (0.5, 1.0)
"""Budgets in l2; the first is below what most radii are, the second is a change that people hardly see."""
NOTE = (
    "Answers of people alone, no constructed ones. A tie of the metric counts one half. Brackets: 95 % interval; "
    "triplets of one reference image are drawn together, so the number of references counts as well as n. Certified: "
    "no change of the reference image up to this l2 norm, over all pixels and channels with values in [0, 1], turns a "
    "right answer; an empty cell is a metric of which nothing is proved. Scores on different data are not comparable: "
    "people agree less with each other on some."
)


@report("agreement", source="this repository")
@dataclass(frozen=True, slots=True)
class Agreement:
    """Natural and certified 2AFC score of each metric on each data set that people answered."""

    place: ClassVar[int] = 4
    tasks: ClassVar[tuple[str, ...] | None] = TRIPLET_TASKS

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table of all data sets; none where nobody was asked."""
        cases = _asked(records)
        if not cases:
            return []
        data, metrics = labels(sorted({case.data for case in cases})), labels(sorted({case.metric for case in cases}))
        ordered = sorted(((case, case.rows(PROVED_AT[0])[0]) for case in cases), key=_order)
        rows = [_row(case, natural, data, metrics) for case, natural in ordered]
        starts = [i for i in range(1, len(rows)) if rows[i][0] != rows[i - 1][0]]
        return [
            Table(
                title="Agreement with people, by data set, percent",
                columns=(
                    "data",
                    "metric",
                    "n",
                    "references",
                    "natural",
                    *(f"certified {eps_text(e)}" for e in PROVED_AT),
                ),
                rows=tuple(rows),
                notes=(NOTE,),
                name="agreement",
                rules=tuple(starts),
            )
        ]


def _asked(records: Sequence[Record]) -> list[WorstCase]:
    """What is known of each metric on each data set of people: of the most triplets, in l2 where it was run so."""
    found: dict[tuple[str, str], WorstCase] = {}
    for case in Ledger(records).cases:
        if case.newest.facts.get("people") and default_question(case.newest):
            known = found.setdefault((case.data, case.metric), case)
            if (case.n, case.threat == "l2") > (known.n, known.threat == "l2"):
                found[case.data, case.metric] = case
    return list(found.values())


def _order(found: tuple[WorstCase, Row]) -> tuple[str, float, str]:
    case, natural = found
    return case.data, -natural.score, case.metric


def _row(case: WorstCase, natural: Row, data: dict[str, str], metrics: dict[str, str]) -> tuple[Value, ...]:
    proved = [case.rows(eps)[2] if case.threat == "l2" else None for eps in PROVED_AT]
    clusters = len(set(references(case.newest, case.newest.samples["id"])))
    cells = [Cell.of(row) if row else None for row in (natural, *proved)]
    return data[case.data], metrics[case.metric], case.n, clusters, *cells
