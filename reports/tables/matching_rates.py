"""Matching at a threshold: clean rates, what attackers leave of them with a rank, and copies found by edit."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.cell import Cell, Number, Value
from perceptbench.reports.newest import by_data, by_goal, by_task, by_threat, newest_first
from perceptbench.reports.tables.bounds import Bound, apart_notes, attacked_cell, bounds, lacking_notes
from perceptbench.reports.wording import eps_text, file_stem, labels, left_out_notes, threat_label, unit_notes
from perceptbench.results.evidence import clean_rows, counted
from perceptbench.results.paired import significance
from perceptbench.results.record import Record
from perceptbench.results.rows import left_out, rows_of
from perceptbench.results.statistics.dyadic import rate
from perceptbench.results.statistics.estimates import Estimate
from perceptbench.results.tasks.matching import RATES, sides_of
from perceptbench.results.worst_case import lacking

LIBRARY = 1000
"""Pictures of a library whose false matches are counted."""
MEASURES = ("TPR", "FPR", "ROC-AUC", "micro-AP")
MOST_GROUPS = 80
"""More subsets than that make no table."""
RATES_NOTE = (
    "TPR: pairs that are the same and match, d at most tau. FPR: pairs that are different and match. micro-AP depends "
    "on how many different pairs there are for each that is the same. False matches: how many pairs of different "
    f"pictures are expected to match among the {LIBRARY * (LIBRARY - 1) // 2} of a library of {LIBRARY}, if its pairs "
    "are as those here. Brackets: 95 % interval over photographs on both sides of the pairs."
)
RANK_NOTES = {
    "evade": (
        "Rank: by the pairs that are the same and are still found after all attacks on each metric, an upper bound "
        "that a weaker attack flatters; certified: at least this, whatever the attack. Evasion rate: of the pairs that "
        "matched, those that an attack parted; proved: at most this."
    ),
    "collide": (
        "Rank: by the pairs that are different and still do not match after all attacks on each metric, an upper bound "
        "that a weaker attack flatters; certified: at least this, whatever the attack. Collision rate: of the pairs "
        "that did not match, those that an attack made match; proved: at most this."
    ),
}
EDITS_NOTE = "TPR of the pairs of each group at the threshold of each metric. Brackets: 95 % interval."
LETTERS_NOTE = (
    "Metrics that share a letter do not differ significantly: paired test on the same pairs that knows the photographs "
    "on both sides, Holm's correction, 5 %."
)


@report("matching-rates", source="DISC21, arXiv:2106.09672")
@dataclass(frozen=True, slots=True)
class MatchingRates:
    """Clean rates of matching at the threshold of each metric."""

    place: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...] | None] = ("matching",)

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set and task as typed."""
        found = ((task, *one) for task, mine in by_task(records) for one in by_data(mine))
        return [_rates(task, label, mine) for task, _, label, mine in found]


def _newest(records: Sequence[Record]) -> dict[tuple[str, int], Record]:
    """The newest run of each metric and number of pairs. Clean rates are the same whatever the goal and the attack."""
    found: dict[tuple[str, int], Record] = {}
    for record in newest_first(records):
        if not record.spec.get("quantize"):
            found.setdefault((record.spec["metric"], record.samples["id"].nunique()), record)
    return found


def _rates(task: str, label: str, records: Sequence[Record]) -> Table:
    newest = _newest(records)
    names = labels(metric for metric, _ in newest)
    rows: list[tuple[Value, ...]] = []
    for (metric, n), record in newest.items():
        found = {row.measure: row for row in rows_of(record) if row.kind == "natural"}
        cells = [Cell.of(found[name]) if name in found else None for name in MEASURES]
        expected = found["FPR"].score / 100 * LIBRARY * (LIBRARY - 1) / 2 if "FPR" in found else None
        tau = Number(_threshold(record.facts["state"]), ".4g")
        false_matches = None if expected is None else Number(expected, ".0f")
        rows.append((names[metric], n - left_out(record), tau, *cells, false_matches))
    return Table(
        title=f"{task} on {label}, percent",
        columns=("metric", "pairs", "tau", *MEASURES, f"false matches in {LIBRARY} pictures"),
        rows=tuple(sorted(rows, key=lambda row: str(row[0]))),
        notes=(RATES_NOTE, *_ratios(newest.values()), *left_out_notes(list(newest.values()))),
        name=f"rates_{file_stem(task)}_{file_stem(label)}",
    )


def _threshold(state: Mapping[str, Any]) -> float:
    """tau as it is shown. One that was found is rounded down to four digits: bits below 120 do not match at 120."""
    tau = float(state["tau"])
    if "calibration_pairs" not in state or tau == 0:
        return tau
    unit = 10.0 ** (math.floor(math.log10(abs(tau))) - 3)
    return math.floor(tau / unit) * unit


def _ratios(records: Iterable[Record]) -> list[str]:
    """How many pairs of each kind there are, which micro-average precision depends on."""
    notes = dict.fromkeys(str(record.facts.get("note", "")) for record in records)
    return [f"{note}." for note in notes if note]


@report("matching-leaderboard", source="CertPHash, USENIX Security 2025, has both rates in l-infinity")
@dataclass(frozen=True, slots=True)
class MatchingLeaderboard:
    """Rank, attacked and certified share of right decisions, evasion or collision rate, and significance groups."""

    place: ClassVar[int] = 1
    tasks: ClassVar[tuple[str, ...] | None] = ("matching",)

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set, task as typed, goal, threat and eps that was attacked."""
        tables = []
        for task, asked in by_task(records):
            for _, label, mine in by_data(asked):
                for goal in by_goal(mine):
                    for threat, same in by_threat(goal):
                        tables += _ranked(task, label, threat, same)
        return tables


def _ranked(task: str, label: str, threat: str, records: Sequence[Record]) -> list[Table]:
    found = {key: bound for key, bound in bounds(records).items() if bound.attacked}
    sets = sorted({(n, eps) for _, n, _, eps in found}, key=lambda key: (-key[0], key[1]))
    return [
        _board(task, label, threat, eps, {m: b for (m, size, _, at), b in found.items() if (size, at) == (n, eps)})
        for n, eps in sets
    ]


def _board(task: str, label: str, threat: str, eps: float, found: dict[str, Bound]) -> Table:
    lacks = lacking({metric: bound.met for metric, bound in found.items()})
    left = {metric: _share(bound, eps, proved=False) for metric, bound in found.items()}
    ranked = {metric: share.value for metric, share in left.items() if metric not in lacks}
    compared = {metric: found[metric].case.left(eps) for metric in ranked}
    groups = significance(compared, "attack", eps).letters if len(compared) > 1 else {}
    names, metrics = labels(found), sorted(found, key=lambda metric: (-left[metric].value, metric))
    first = next(iter(found.values()))
    goal = str(first.case.newest.spec["goal"])
    rows: list[tuple[Value, ...]] = [
        (
            1 + sum(other > ranked[metric] for other in ranked.values()) if metric in ranked else None,
            names[metric],
            Cell.of(found[metric].natural),
            Cell.share(left[metric]),
            Cell.share(_share(found[metric], eps, proved=True)) if found[metric].proved else None,
            attacked_cell(found[metric], lacks),
            Cell.of(row) if (row := found[metric].proved) else None,
            row.method if (row := found[metric].attacked) else None,
            groups.get(metric),
        )
        for metric in metrics
    ]
    name = RATES[goal]
    columns = (
        "rank",
        "metric",
        first.natural.measure,
        "right after attack",
        "certified",
        name,
        f"{name}, proved",
        "by",
    )
    mine = [bound.case.newest for bound in found.values()]
    notes = (RANK_NOTES[goal], *([LETTERS_NOTE] if groups else []), *lacking_notes(lacks, names), *apart_notes(mine))
    return Table(
        title=f"Leaderboard of {task}, {goal}, on {label}, {threat_label(threat)} eps {eps_text(eps)}, percent",
        columns=(*columns, "group"),
        rows=tuple(rows),
        notes=(*notes, *left_out_notes(mine), *unit_notes(mine)),
        name=f"leaderboard_{file_stem(task)}_{goal}_{file_stem(threat)}_{file_stem(label)}_{eps:g}",
    )


def _share(bound: Bound, eps: float, *, proved: bool) -> Estimate:
    """Of all pairs that an attacker may want to turn, those whose decision is right, and stays so at eps."""
    record = bound.case.left(eps)
    samples = counted(record.samples)
    samples = samples[samples["same"] == (record.spec["goal"] == "evade")]
    stands = samples["radius"] > eps if proved else samples["robust"]
    return rate(stands.to_numpy(float), sides_of(record, samples["id"]))


@report("matching-edits", source="docs/tasks.md")
@dataclass(frozen=True, slots=True)
class MatchingEdits:
    """Copies that are found, by edit and strength: what robustness may not cost."""

    place: ClassVar[int] = 4
    tasks: ClassVar[tuple[str, ...] | None] = ("matching",)

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set and task as typed, where pairs have groups; a column a metric."""
        found = ((task, *one) for task, mine in by_task(records) for one in by_data(mine))
        tables = (_edits(task, label, mine) for task, _, label, mine in found)
        return [table for table in tables if table is not None]


def _edits(task: str, label: str, records: Sequence[Record]) -> Table | None:
    newest: dict[str, Record] = {}
    for (metric, _), record in sorted(_newest(records).items(), key=lambda pair: -pair[0][1]):
        newest.setdefault(metric, record)
    cells: dict[str, dict[str, Cell]] = {}
    for metric, record in newest.items():
        samples = clean_rows(counted(record.samples))
        for group, mine in samples[samples["same"] & (samples["group"] != "")].groupby("group", sort=False):
            found = rate(mine["matched"].to_numpy(float), sides_of(record, mine["id"]))
            cells.setdefault(str(group), {})[metric] = Cell.share(found)
    if not 0 < len(cells) <= MOST_GROUPS:
        return None
    names = labels(sorted(newest))
    return Table(
        title=f"Copies found by edit, {task} on {label}, percent",
        columns=("edit", "pairs", *names.values()),
        rows=tuple(
            (group, max(cell.n for cell in found.values()), *(found.get(metric) for metric in names))
            for group, found in cells.items()
        ),
        notes=(EDITS_NOTE, *left_out_notes(list(newest.values()))),
        name=f"edits_{file_stem(task)}_{file_stem(label)}",
    )
