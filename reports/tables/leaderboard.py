"""Metrics in the order of what attacks left of them, with the differences that are more than chance."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from perceptbench.reports.base import Cell, Table, Value, report
from perceptbench.reports.newest import by_data, by_threat
from perceptbench.reports.tables.bounds import bounds
from perceptbench.reports.wording import TRIPLET_TASKS, eps_text, file_stem, labels, threat_label, unit_notes
from perceptbench.results.paired import significance
from perceptbench.results.record import Record
from perceptbench.results.rows import Row, table_rows

RANK_NOTE = (
    "Rank: by the score after the strongest attack that was run on each metric, on the same {n} triplets; "
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

_Pair = tuple[Row | None, Row | None]
"""The best sound certificate and the strongest attack of a metric."""


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
    found: dict[tuple[object, frozenset[str]], list[Record]] = {}
    for record in records:
        if record.facts.get("answers", True) and not record.spec.get("quantize"):
            content = record.spec.get("fingerprints", {}).get("data")
            found.setdefault((content, frozenset(record.samples["id"])), []).append(record)
    return sorted(found.values(), key=lambda same: -same[0].samples["id"].nunique())


def _table(label: str, threat: str, same: Sequence[Record]) -> Table | None:
    """Metrics at one eps; None where none was attacked."""
    rows = table_rows(same)
    pairs = {(metric, eps): pair for (metric, _, at, eps), pair in bounds(rows).items() if at == threat}
    eps = _most_attacked(pairs)
    if eps is None:
        return None
    natural = {row.metric: row for row in rows if row.kind == "natural"}
    proved = {metric: proof for (metric, at), (proof, _) in pairs.items() if at == eps and proof}
    attacked = {metric: attack for (metric, at), (_, attack) in pairs.items() if at == eps and attack}
    metrics = sorted({metric for metric, _ in pairs}, key=lambda m: (-_score(attacked, m), -natural[m].score, m))
    groups = _groups(attacked, same, eps)
    names, methods = labels(metrics), labels(sorted({row.method or "" for row in attacked.values()}))
    columns: dict[str, list[Value]] = {
        "rank": [_rank(attacked, metric) for metric in metrics],
        "metric": [names[metric] for metric in metrics],
        "natural": [Cell.of(natural[metric]) for metric in metrics],
        "attacked": [Cell.of(attacked[metric]) if metric in attacked else None for metric in metrics],
        "by": [methods[attacked[metric].method or ""] if metric in attacked else None for metric in metrics],
        "certified": [Cell.of(proved[metric]) if metric in proved else None for metric in metrics],
        "group": [groups.get(metric) for metric in metrics],
    }
    columns = {name: column for name, column in columns.items() if any(value is not None for value in column)}
    n = same[0].samples["id"].nunique()
    notes = unit_notes([record for record in same if record.threat == threat])
    return Table(
        title=f"Leaderboard on {label}, {threat_label(threat)} eps {eps_text(eps)}, percent (n = {n})",
        columns=tuple(columns),
        rows=tuple(zip(*columns.values(), strict=True)),
        notes=(RANK_NOTE.format(n=n), *_group_notes(len(attacked), same), *notes),
        name=f"leaderboard_{file_stem(threat)}_{file_stem(label)}_{n}",
    )


def _most_attacked(pairs: Mapping[tuple[str, float], _Pair]) -> float | None:
    """The eps at which most metrics were attacked, the largest of several."""
    counts = Counter(eps for (_, eps), (_, attack) in pairs.items() if attack)
    return max(counts, key=lambda eps: (counts[eps], eps), default=None)


def _score(attacked: Mapping[str, Row], metric: str) -> float:
    return attacked[metric].score if metric in attacked else -1.0


def _rank(attacked: Mapping[str, Row], metric: str) -> int | None:
    """1 for the best; equal scores share a rank, and the next one counts them all."""
    score = _score(attacked, metric)
    return 1 + sum(other.score > score for other in attacked.values()) if metric in attacked else None


def _groups(attacked: Mapping[str, Row], same: Sequence[Record], eps: float) -> Mapping[str, str]:
    """Letters, where there are two to compare."""
    runs = {record.run: record for record in same}
    compared = {metric: _restated(runs[attack.run], attack.eps, eps) for metric, attack in attacked.items()}
    return significance(compared, "attack", eps).letters if len(compared) > 1 else {}


def _restated(record: Record, at: float | None, eps: float) -> Record:
    """The answers that an attack left at one eps, used at a larger one: flips found at the smaller count there too."""
    samples = record.samples[record.samples["eps"] == at]
    return replace(record, spec={**record.spec, "eps": [eps]}, samples=samples.assign(eps=eps))


def _group_notes(metrics: int, same: Sequence[Record]) -> list[str]:
    if metrics < 2:
        return []
    pairs = metrics * (metrics - 1) // 2
    repeated = any(record.facts.get("references") for record in same)
    divided = any(not record.samples["right_share"].isin([0, 1]).all() for record in same)
    if not (repeated or divided):
        return [GROUP_NOTE.format(pairs=pairs)]
    return [CREDIT_NOTE.format(pairs=pairs, kept=", triplets of one reference together" if repeated else "")]
