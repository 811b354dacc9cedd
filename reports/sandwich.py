"""The truth lies between what is proved and what the strongest attack left standing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from reports.base import Cell, Table, report
from reports.current import current_rows
from reports.wording import NORMS, eps_text, labels
from results.record import Record
from results.rows import Row

_Budget = tuple[str, int, str, float]
"""metric, n, norm, eps"""


@report("sandwich", source="docs/certificates.md, section 8")
@dataclass(frozen=True, slots=True)
class Sandwich:
    """Lower and upper bound of the robust score, and the gap between them."""

    place: ClassVar[int] = 2

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set, with the metrics that have a sound certificate and an attack."""
        rows = current_rows(records)
        tables = (
            _table(label, [r for r in rows if r.data == data]) for data, label in labels(r.data for r in rows).items()
        )
        return [table for table in tables if table.rows]


def bounds(rows: Sequence[Row]) -> dict[_Budget, tuple[Row | None, Row | None]]:
    """(best sound certificate, strongest attack) for each metric, n, norm and eps of one data set.

    Only where the reference alone moves: with other threats both bound another score.
    """
    found: dict[_Budget, tuple[Row | None, Row | None]] = {}
    for row in rows:
        if row.norm is None or row.eps is None or row.unit == "distance" or row.threat:
            continue
        key = (row.metric, row.n, row.norm, row.eps)
        proved, attacked = found.get(key, (None, None))
        if row.kind == "certificate" and row.sound and (proved is None or row.score > proved.score):
            proved = row
        if row.kind == "attack" and (attacked is None or row.score < attacked.score):
            attacked = row
        found[key] = (proved, attacked)
    return found


def _table(data: str, rows: Sequence[Row]) -> Table:
    names = labels(row.metric for row in rows)
    lines = []
    for (metric, n, norm, eps), (proved, attacked) in sorted(bounds(rows).items()):
        if proved is None or attacked is None:
            continue
        budget = f"{NORMS.get(norm, norm)} {eps_text(eps)}"
        gap = attacked.score - proved.score
        lines.append(
            (names[metric], n, budget, Cell.of(proved), proved.method, Cell.of(attacked), attacked.method, gap)
        )
    return Table(
        title=f"Bounds of the robust score on {data}, percent",
        columns=("metric", "n", "eps", "at least", "proved by", "at most", "attacked by", "gap, points"),
        rows=tuple(lines),
        notes=(
            "On these n triplets no attack within eps on the reference image can push the score below the lower bound, "
            "and the attack named pushed it to the upper one. The intervals are about other triplets of the same kind.",
        ),
    )
