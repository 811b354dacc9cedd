"""Natural, attacked and certified scores, one line a metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from reports.base import MARKS, Cell, Table, report
from reports.current import current_rows
from reports.wording import NORMS, eps_text, labels
from results.record import Record
from results.rows import Row

_Column = tuple[str, str, str, float]
"""kind, norm, method, eps"""

UNIT_NOTE = (
    "eps: norm of the change over all pixels and channels, images in [0, 1]. Brackets: 95 % interval over n triplets."
)
DISTANCE_NOTE = (
    "Mean d(x, x + delta): how far an attacker moves an image from itself; "
    "with --goal pull mean d(x + delta, y): how near to another one. Natural: mean d(x, y) of different images. "
    "Each metric has its own scale, so compare along a line, not down a column; psnr is in -dB."
)


@report("leaderboard", source="arXiv:2010.09670 (RobustBench) has this form for classifiers")
@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Natural, attacked and certified 2AFC scores by data set; distances under attack apart."""

    place: ClassVar[int] = 1

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set; a second one where attacks moved distances instead of answers."""
        rows = current_rows(records)
        tables = []
        for data, label in labels(row.data for row in rows).items():
            mine = [row for row in rows if row.data == data]
            answered = [row for row in mine if row.unit == "percent"]
            if answered:
                tables.append(_table(f"2AFC score on {label}, percent", answered, UNIT_NOTE))
            moved = [row for row in mine if row.unit == "distance"]
            if moved:
                tables.append(_table(f"Distance under attack on {label}", moved, f"{DISTANCE_NOTE} {UNIT_NOTE}"))
        return tables


def _table(title: str, rows: Sequence[Row], note: str) -> Table:
    natural = {(row.metric, row.n): row for row in rows if row.kind == "natural"}
    cells = {(row.metric, row.n, _column(row)): Cell.of(row) for row in rows if row.kind != "natural"}
    columns = sorted({column for _, _, column in cells})
    names = labels(row.metric for row in rows)
    lines = sorted(
        dict.fromkeys((row.metric, row.n) for row in rows),
        key=lambda line: (-natural[line].score if line in natural else 0, line),
    )
    marks = {cell.mark for cell in cells.values()}
    notes = [note, *(f"{mark} {meaning}" for mark, meaning in MARKS.items() if mark in marks)]
    return Table(
        title=title,
        columns=("metric", "n", *(["natural"] if natural else []), *(_heading(column) for column in columns)),
        rows=tuple(
            (
                names[metric],
                n,
                *([Cell.of(natural[metric, n])] if natural else []),
                *(cells.get((metric, n, column)) for column in columns),
            )
            for metric, n in lines
        ),
        notes=tuple(notes),
    )


def _column(row: Row) -> _Column:
    return row.kind, row.norm or "", row.method or "", row.eps or 0.0


def _heading(column: _Column) -> str:
    kind, norm, method, eps = column
    what = "after" if kind == "attack" else "proved by"
    return f"{what} {labels([method])[method]}, {NORMS.get(norm, norm)} eps {eps_text(eps)}"
