"""The truth lies between what is proved and what all attacks together left standing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

from perceptbench.reports.base import Table, report
from perceptbench.reports.cell import WEAKER, Cell, doubts_of
from perceptbench.reports.newest import by_data, by_threat
from perceptbench.reports.wording import TRIPLET_TASKS, eps_text, file_stem, labels, threat_label, unit_notes
from perceptbench.results.ledger import Ledger
from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.rows import Row, options_of
from perceptbench.results.statistics.estimates import credit, score
from perceptbench.results.worst_case import WorstCase

SANDWICH_NOTE = (
    "On these n triplets no attack within eps on the reference image can push the score below the lower bound, "
    "and the attacks named pushed it to the upper one. Gap: triplets that no attack broke and no proof covers. "
    "The intervals (95 %) are about other triplets of the same kind."
)
WORST_NOTE = (
    "Where several attacks are named, a triplet counts as broken if any of them broke it. Behind each attack: the "
    "triplets that it broke, and in brackets those that no other one broke."
)
APART_NOTE = (
    "Runs of {} differ in the code or weights of the metric, so they share no evidence; that of which least was left "
    "is shown."
)


class Bound(NamedTuple):
    """What is proved and what is left at one eps; None where nothing is."""

    proved: Row | None
    attacked: Row | None
    natural: Row
    case: WorstCase
    met: frozenset[str] = frozenset()
    """The attacks that were run at this eps, also those of versions of the metric that share no evidence."""


Budget = tuple[str, int, str, float]
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


def bounds(records: Sequence[Record]) -> dict[Budget, Bound]:
    """The bounds of each metric, n, threat and eps, of runs on one data set. Views of the ledger all start here.

    Only for the default question: with other options both bound another score. Of several sets of n samples, or several
    versions of a metric, the one of which least was left.
    """
    found: dict[Budget, Bound] = {}
    met: dict[Budget, frozenset[str]] = {}
    for case in Ledger(records).cases:
        if options_of(case.newest):
            continue
        for eps in case.budgets:
            natural, attacked, proved = case.rows(eps)
            key, bound = (case.metric, case.n, case.threat, eps), Bound(proved, attacked, natural, case)
            met[key] = met.get(key, frozenset()) | case.met(eps)
            if key not in found or _left(bound) < _left(found[key]):
                found[key] = bound
    return {key: found[key]._replace(met=met[key]) for key in sorted(found)}


def apart_notes(records: Sequence[Record]) -> list[str]:
    """A sentence on metrics whose attacked runs cannot be joined: then the worst case is not over all attacks."""
    cases = [case for case in Ledger(records).cases if case.runs and not options_of(case.newest)]
    counts = Counter((case.metric, case.n, case.threat) for case in cases)
    apart = sorted({metric for (metric, *_), count in counts.items() if count > 1})
    return [APART_NOTE.format(", ".join(labels(apart).values()))] if apart else []


def _left(bound: Bound) -> tuple[float, float]:
    """Orders bounds: the lowest upper one first, then the highest lower one."""
    attacked = bound.attacked.score if bound.attacked else 101.0
    return attacked, -(bound.proved.score if bound.proved else -1.0)


def gap(bound: Bound, eps: float) -> Cell:
    """The share of triplets that no attack broke and no proof covers."""
    samples = bound.case.left(eps).samples
    between = credit(samples, samples["robust"]) - credit(samples, samples["radius"] > eps)
    return Cell.share(score(between, references(bound.case.newest, samples["id"]).tolist()))


def attacked_cell(bound: Bound, lacks: Mapping[str, object]) -> Cell | None:
    """What is left, marked where the metric lacks attacks that another one beside it met; None where none was run."""
    cell = Cell.of(bound.attacked) if bound.attacked else None
    return replace(cell, mark=cell.mark + WEAKER) if cell and bound.case.metric in lacks else cell


def lacking_notes(lacks: Mapping[str, Sequence[str]], names: Mapping[str, str]) -> list[str]:
    """A sentence for each metric that lacks attacks that another one beside it met."""
    return [
        f"{WEAKER} {names[metric]} did not meet {', '.join(missing)}, which flatters it."
        for metric, missing in lacks.items()
    ]


def _table(label: str, threat: str, records: Sequence[Record]) -> Table:
    both = {key: bound for key, bound in bounds(records).items() if bound.proved and bound.attacked}
    names = labels(metric for metric, *_ in both)
    lines = [
        (
            names[metric], n, eps_text(eps), Cell.of(bound.proved), bound.proved.method,
            Cell.of(bound.attacked), bound.attacked.method, gap(bound, eps).doubted(doubts_of(bound.attacked)),
        )
        for (metric, n, _, eps), bound in both.items()
        if bound.proved and bound.attacked
    ]  # fmt: skip
    several = any(bound.case.several for bound in both.values())
    return Table(
        title=f"Bounds of the robust score, {threat_label(threat)}, on {label}, percent",
        columns=("metric", "n", "eps", "at least", "proved by", "at most", "attacked by", "gap"),
        rows=tuple(lines),
        notes=(SANDWICH_NOTE, *([WORST_NOTE] if several else []), *apart_notes(records), *unit_notes(records)),
        name=f"bounds_{file_stem(threat)}_{file_stem(label)}",
    )
