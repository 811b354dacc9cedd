"""Metrics in the order of what attacks left of them, with the differences that are more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np

from reports.base import Cell, Table, Value, report
from reports.current import by_data
from reports.sandwich import bounds
from reports.wording import NORMS, eps_text, file_stem, labels
from results.comparison import holm, letters, mcnemar
from results.record import Record
from results.rows import Row, table_rows

ALPHA = 0.05
RANK_NOTE = (
    "Rank: by the score after the strongest attack that was run on each metric, on the same {n} triplets; "
    "a score is an upper bound, and a weaker attack flatters. Brackets: 95 % interval. "
    "Certified: at least this, whatever the attack."
)
GROUP_NOTE = (
    "Metrics that share a letter do not differ significantly: exact McNemar test on the same triplets, "
    "Holm's correction over {pairs} pairs, {alpha:.0%}."
)

_Pair = tuple[Row | None, Row | None]
"""The best sound certificate and the strongest attack of a metric."""


@report("leaderboard", source="arXiv:2010.09670 (RobustBench) has this form for classifiers")
@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Rank, natural, attacked and certified 2AFC score, and significance groups, at one eps."""

    place: ClassVar[int] = 1

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set, set of triplets and norm that was attacked: only equal triplets are ranked."""
        tables = []
        for _, label, mine in by_data(records):
            for same in _same_triplets(mine):
                rows = table_rows(same)
                for norm in NORMS:
                    table = _table(label, norm, rows, {record.run: record for record in same})
                    tables += [table] if table else []
        return tables


def _same_triplets(records: Sequence[Record]) -> list[list[Record]]:
    """Runs with answers that share their triplets, the largest set first."""
    found: dict[frozenset[str], list[Record]] = {}
    for record in records:
        if record.facts.get("answers", True):
            found.setdefault(frozenset(record.samples["id"]), []).append(record)
    return [found[ids] for ids in sorted(found, key=len, reverse=True)]


def _table(label: str, norm: str, rows: Sequence[Row], runs: Mapping[str, Record]) -> Table | None:
    """At the largest eps that most metrics were attacked at; None where none was."""
    budgets: dict[float, dict[str, _Pair]] = {}
    for (metric, _, at_norm, at), pair in bounds(rows).items():
        if at_norm == norm:
            budgets.setdefault(at, {})[metric] = pair
    counts = {at: sum(attack is not None for _, attack in pairs.values()) for at, pairs in budgets.items()}
    if not any(counts.values()):
        return None
    eps = max(budgets, key=lambda at: (counts[at], at))
    found = budgets[eps]
    natural = {row.metric: row for row in reversed(rows) if row.kind == "natural"}
    attacked = {metric: attack for metric, (_, attack) in found.items() if attack is not None}
    order = sorted(
        natural, key=lambda m: (m not in attacked, -attacked[m].score if m in attacked else 0, -natural[m].score, m)
    )
    groups = significance(attacked, runs) if len(attacked) > 1 else {}
    methods = {attack.method for attack in attacked.values()}
    names = labels(order)
    n = max(row.n for row in natural.values())

    def line(metric: str) -> tuple[Value, ...]:
        proved, attack = found.get(metric, (None, None))
        rank = 1 + sum(other.score > attack.score for other in attacked.values()) if attack else None
        return (
            rank,
            names[metric],
            Cell.of(natural[metric]),
            Cell.of(attack) if attack else None,
            *([attack.method if attack else None] if len(methods) > 1 else []),
            Cell.of(proved) if proved else None,
            *([groups.get(metric)] if groups else []),
        )

    one = f"after {next(iter(methods))}" if len(methods) == 1 else "attacked"
    pairs = len(attacked) * (len(attacked) - 1) // 2
    return Table(
        title=f"Leaderboard on {label}, {NORMS[norm]} eps {eps_text(eps)}, percent (n = {n})",
        columns=(
            "rank", "metric", "natural", one, *(["attack"] if len(methods) > 1 else []), "certified",
            *(["group"] if groups else []),
        ),
        rows=tuple(map(line, order)),
        notes=(RANK_NOTE.format(n=n), *([GROUP_NOTE.format(pairs=pairs, alpha=ALPHA)] if groups else [])),
        name=f"leaderboard_{norm}_{file_stem(label)}_{n}",
    )  # fmt: skip


def significance(attacked: Mapping[str, Row], runs: Mapping[str, Record]) -> dict[str, str]:
    """The letters of metrics whose answers under attack were given on the same triplets."""
    robust = {metric: _robust(runs[row.run], row.eps) for metric, row in attacked.items()}
    pairs = list(combinations(attacked, 2))
    adjusted = holm([mcnemar(robust[a], robust[b]).exact for a, b in pairs])
    p = {frozenset(pair): value for pair, value in zip(pairs, adjusted, strict=True)}
    return letters(list(attacked), [row.score for row in attacked.values()], p, ALPHA)


def _robust(record: Record, eps: float | None) -> np.ndarray:
    at = record.samples[record.samples["eps"] == eps]
    return at.sort_values("id")["robust"].to_numpy(dtype=bool)
