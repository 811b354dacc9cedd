"""The truth lies between what is proved and what the strongest attack left standing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from perceptbench.reports.base import Cell, Number, Table, Value, doubts_of, report
from perceptbench.reports.newest import by_data, by_threat, newest_rows
from perceptbench.reports.wording import TRIPLET_TASKS, eps_text, file_stem, labels, threat_label, unit_notes
from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.rows import Row
from perceptbench.results.statistics.estimates import credit, score

SANDWICH_NOTE = (
    "On these n triplets no attack within eps on the reference image can push the score below the lower bound, "
    "and the attack named pushed it to the upper one. Gap: triplets that no attack broke and no proof covers. "
    "The intervals (95 %) are about other triplets of the same kind."
)
BROKEN_NOTE = "WRONG: {} triplets were broken within a proved radius; a proof, an attack or a record is faulty."

_Budget = tuple[str, int, str, float]
"""metric, n, threat, eps"""


@report("sandwich", source="docs/certificates.md, section 8")
@dataclass(frozen=True, slots=True)
class Sandwich:
    """Lower and upper bound of the robust score, and the gap between them."""

    place: ClassVar[int] = 7
    tasks: ClassVar[tuple[str, ...] | None] = TRIPLET_TASKS

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set and threat, with the metrics that have a sound certificate and an attack."""
        sets = by_data(records)
        tables = [_table(label, threat, same) for _, label, mine in sets for threat, same in by_threat(mine)]
        return [table for table in tables if table.rows]


def bounds(rows: Sequence[Row]) -> dict[_Budget, tuple[Row | None, Row | None]]:
    """(best sound certificate, strongest attack) for each metric, n, threat and eps of one data set.

    Only for the default question: with other options both bound another score. A flip found at a smaller
    eps also counts at every larger one, so its row is used there too where no attack at the larger eps left less.
    """
    found: dict[_Budget, tuple[Row | None, Row | None]] = {}
    for row in rows:
        if row.threat is None or row.eps is None or row.unit == "distance" or row.options:
            continue
        key = (row.metric, row.n, row.threat, row.eps)
        proved, attacked = found.get(key, (None, None))
        if row.kind == "certificate" and row.sound and (proved is None or row.score > proved.score):
            proved = row
        if row.kind == "attack" and (attacked is None or row.score < attacked.score):
            attacked = row
        found[key] = (proved, attacked)
    return _never_rising(found)


def _never_rising(
    found: Mapping[_Budget, tuple[Row | None, Row | None]],
) -> dict[_Budget, tuple[Row | None, Row | None]]:
    strongest: dict[tuple[str, int, str], Row] = {}
    lowest = {}
    for key in sorted(found):
        proved, attacked = found[key]
        if attacked is not None:
            attacked = min(strongest.get(key[:3], attacked), attacked, key=lambda row: row.score)
            strongest[key[:3]] = attacked
        lowest[key] = (proved, attacked)
    return lowest


def gap(proved: Row, attacked: Row, runs: Mapping[str, Record]) -> tuple[Value, int]:
    """The share of triplets that no attack broke and no proof covers, and how many an attack broke despite a proof.

    The latter is 0 unless a proof, an attack or a record is wrong; then there is no interval.
    """
    safe = _credit(runs[proved.run], proved.eps, lambda at: at["radius"] > at["eps"])
    stood = _credit(runs[attacked.run], attacked.eps, lambda at: at["robust"])
    between = stood - safe.reindex(stood.index)
    broken = int((between < 0).sum())
    if broken or between.isna().any():
        return Number(attacked.score - proved.score), broken
    return Cell.share(score(between.to_numpy(), references(runs[attacked.run], between.index).tolist())), 0


def _credit(record: Record, eps: float | None, survived: Callable[[pd.DataFrame], pd.Series]) -> pd.Series:
    at = record.samples[record.samples["eps"] == eps]
    return pd.Series(credit(at, survived(at)), index=at["id"])


def _table(label: str, threat: str, records: Sequence[Record]) -> Table:
    rows, runs = newest_rows(records), {record.run: record for record in records}
    names = labels(row.metric for row in rows)
    lines, broken = [], 0
    for (metric, n, _, eps), (proved, attacked) in sorted(bounds(rows).items()):
        if proved is None or attacked is None:
            continue
        width, wrong = gap(proved, attacked, runs)
        width = width.doubted(doubts_of(attacked)) if isinstance(width, Cell) else width
        broken += wrong
        lines.append(
            (names[metric], n, eps_text(eps), Cell.of(proved), proved.method, Cell.of(attacked), attacked.method, width)
        )
    return Table(
        title=f"Bounds of the robust score, {threat_label(threat)}, on {label}, percent",
        columns=("metric", "n", "eps", "at least", "proved by", "at most", "attacked by", "gap"),
        rows=tuple(lines),
        notes=(SANDWICH_NOTE, *([BROKEN_NOTE.format(broken)] if broken else []), *unit_notes(records)),
        name=f"bounds_{file_stem(threat)}_{file_stem(label)}",
    )
