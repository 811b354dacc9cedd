"""Metrics in the order of what attacks left of them, with the differences that are more than chance."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.cell import Cell, Value
from perceptbench.reports.newest import by_data, by_threat
from perceptbench.reports.tables.bounds import WORST_NOTE, Bound, apart_notes, attacked_cell, bounds, lacking_notes
from perceptbench.reports.wording import TRIPLET_TASKS, eps_text, file_stem, labels, threat_label, unit_notes
from perceptbench.results.paired import significance
from perceptbench.results.record import Record, contents
from perceptbench.results.worst_case import lacking

RANK_NOTE = (
    "Rank: by the score after all attacks that were run on each metric, on the same {n} triplets; "
    "a score is an upper bound, and a weaker attack flatters. Brackets: 95 % interval. "
    "Certified: at least this, whatever the attack."
)
GROUP_NOTE = (
    "Metrics that share a letter do not differ significantly: exact McNemar test on the same triplets, "
    "Holm's correction over {pairs} pairs, 5 %."
)
CREDIT_NOTE = (
    "Metrics that share a letter do not differ significantly: sign-flip test of what each triplet adds to the "
    "score{kept}, Holm's correction over {pairs} pairs, 5 %."
)
UNRANKED_NOTE = "A metric that lacks an attack which another one met has no rank and no letter."


@report("leaderboard", source="arXiv:2010.09670 (RobustBench) has this form for classifiers")
@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Rank, natural, attacked and certified 2AFC score, and significance groups, at one eps."""

    place: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...] | None] = TRIPLET_TASKS

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set, set of triplets and threat that was attacked: only equal triplets are ranked."""
        sets = ((label, same) for _, label, mine in by_data(records) for same in _same_triplets(mine))
        tables = (_table(label, threat, same) for label, same in sets for threat, _ in by_threat(same))
        return [table for table in tables if table is not None]


def _same_triplets(records: Sequence[Record]) -> list[list[Record]]:
    """Runs that answered the same triplets, the largest set first; rounded images are others."""
    found: dict[frozenset[tuple[str, str]], list[Record]] = {}
    for record in records:
        if record.facts.get("answers", True) and not record.spec.get("quantize"):
            found.setdefault(frozenset(contents(record).items()), []).append(record)
    return sorted(found.values(), key=lambda same: -same[0].samples["id"].nunique())


def _table(label: str, threat: str, same: Sequence[Record]) -> Table | None:
    """Metrics at one eps; None where none was attacked."""
    found = {(metric, at): bound for (metric, _, _, at), bound in bounds(same).items() if bound.case.threat == threat}
    eps = _most_attacked(found)
    if eps is None:
        return None
    at = {metric: found.get((metric, eps)) or _any(found, metric) for metric, _ in found}
    lacks = lacking({metric: bound.met for metric, bound in at.items() if bound.attacked})
    scores = {metric: bound.attacked.score for metric, bound in at.items() if bound.attacked}
    metrics = sorted(at, key=lambda m: (-scores.get(m, -1.0), -at[m].natural.score, m))
    ranked = {metric: score for metric, score in scores.items() if metric not in lacks}
    groups = _groups({metric: at[metric] for metric in ranked}, eps)
    names, methods = labels(metrics), labels(sorted({b.attacked.method or "" for b in at.values() if b.attacked}))
    columns: dict[str, list[Value]] = {
        "rank": [_rank(ranked, metric) for metric in metrics],
        "metric": [names[metric] for metric in metrics],
        "natural": [Cell.of(at[metric].natural) for metric in metrics],
        "attacked": [attacked_cell(at[metric], lacks) for metric in metrics],
        "by": [methods[row.method or ""] if (row := at[metric].attacked) else None for metric in metrics],
        "certified": [Cell.of(row) if (row := at[metric].proved) else None for metric in metrics],
        "group": [groups.get(metric) for metric in metrics],
    }
    columns = {name: column for name, column in columns.items() if any(value is not None for value in column)}
    n = same[0].samples["id"].nunique()
    several = any(bound.attacked and bound.case.several for bound in at.values())
    mine = [record for record in same if record.threat == threat]
    notes = [RANK_NOTE.format(n=n), *([WORST_NOTE] if several else []), *_lack_notes(lacks, names), *apart_notes(mine)]
    return Table(
        title=f"Leaderboard on {label}, {threat_label(threat)} eps {eps_text(eps)}, percent (n = {n})",
        columns=tuple(columns),
        rows=tuple(zip(*columns.values(), strict=True)),
        notes=(*notes, *_group_notes(len(ranked), same), *unit_notes(mine)),
        name=f"leaderboard_{file_stem(threat)}_{file_stem(label)}_{n}",
    )


def _lack_notes(lacks: Mapping[str, Sequence[str]], names: Mapping[str, str]) -> list[str]:
    return [*lacking_notes(lacks, names), *([UNRANKED_NOTE] if lacks else [])]


def _any(found: Mapping[tuple[str, float], Bound], metric: str) -> Bound:
    """The natural score of a metric of which nothing is known at the eps of the table."""
    first = next(bound for (name, _), bound in found.items() if name == metric)
    return first._replace(proved=None, attacked=None)


def _most_attacked(found: Mapping[tuple[str, float], Bound]) -> float | None:
    """The eps at which most metrics were attacked, the largest of several."""
    counts = Counter(eps for (_, eps), bound in found.items() if bound.attacked)
    return max(counts, key=lambda eps: (counts[eps], eps), default=None)


def _rank(ranked: Mapping[str, float], metric: str) -> int | None:
    """1 for the best; equal scores share a rank, and the next one counts them all."""
    if metric not in ranked:
        return None
    return 1 + sum(other > ranked[metric] for other in ranked.values())


def _groups(ranked: Mapping[str, Bound], eps: float) -> Mapping[str, str]:
    """Letters, where there are two to compare."""
    compared = {metric: bound.case.left(eps) for metric, bound in ranked.items()}
    return significance(compared, "attack", eps).letters if len(compared) > 1 else {}


def _group_notes(metrics: int, same: Sequence[Record]) -> list[str]:
    if metrics < 2:
        return []
    pairs = metrics * (metrics - 1) // 2
    repeated = any(record.facts.get("references") for record in same)
    divided = any(not record.samples["right_share"].isin([0, 1]).all() for record in same)
    if not (repeated or divided):
        return [GROUP_NOTE.format(pairs=pairs)]
    return [CREDIT_NOTE.format(pairs=pairs, kept=", triplets of one reference together" if repeated else "")]
