"""One number for a whole robustness curve, and how far people themselves agree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.cell import Cell, Value, doubts_in
from perceptbench.reports.newest import by_data, by_threat, newest_rows
from perceptbench.reports.wording import TRIPLET_TASKS, eps_text, file_stem, labels, threat_label, unit_notes
from perceptbench.results.ledger import Ledger
from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.rows import options_of
from perceptbench.results.statistics.agreement import human_ceiling
from perceptbench.results.statistics.estimates import Estimate, independent, proportion
from perceptbench.results.statistics.survival import area, areas, median_norm, minimal_norms
from perceptbench.results.worst_case import WORST

AREA_NOTE = (
    "Area: mean score over eps from 0 to the largest of the run. Exact for attacks that look for the smallest flip, "
    "else under straight lines from 0 through the eps of the run: where all fell before the first eps, the first line "
    "alone is measured. So areas compare only where eps and kind of attack are the same, and a weaker attack flatters. "
    "Brackets: 95 % interval."
)
WORST_NOTE = "Worst case: a triplet has fallen where any of the attacks named broke it."
MEDIAN_NOTE = (
    "Median norm: half of the triplets are wrong or flipped by a change no larger than this; from attacks that look "
    "for the smallest flip. Behind >: not reached; inf: the largest eps is too small to know."
)
CEILING_NOTE = (
    "People were divided. Majority: what a metric scores that always answers as most of them did, which none exceeds. "
    "One person: the score of one more of them, a little too high where few were asked. Neither was attacked."
)


@report("summary", source="docs/statistics.md")
@dataclass(frozen=True, slots=True)
class Summary:
    """Area under the attacked curve, median norm of the smallest flips, and the human ceiling.

    A line a run, and one of the worst case where several attacks were run at the same eps.
    """

    place: ClassVar[int] = 2
    tasks: ClassVar[tuple[str, ...] | None] = TRIPLET_TASKS

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set and threat where the reference was attacked for flips, most triplets first."""
        found = (
            (label, threat, _attacked(same)) for _, label, mine in by_data(records) for threat, same in by_threat(mine)
        )
        return [_table(label, threat, runs) for label, threat, runs in found if runs]


def _attacked(records: Sequence[Record]) -> list[tuple[str, Record]]:
    """Runs with the name of their attack, where the reference alone moves and answers were asked for."""
    names = {
        row.run: row.method or ""
        for row in newest_rows(records)
        if row.kind == "attack" and row.unit == "percent" and not row.options
    }
    return [*((names[record.run], record) for record in records if record.run in names), *_worst(records)]


def _worst(records: Sequence[Record]) -> list[tuple[str, Record]]:
    """What several attacks together left, at the eps that all of them were run at."""
    found = []
    for case in Ledger(records).cases:
        common = [eps for eps in case.budgets if len(case.met(eps)) == len(case.runs)]
        if len(case.runs) > 1 and common and not options_of(case.newest):
            found.append((f"{WORST} of {', '.join(sorted(case.runs))}", case.left(*common)))
    return found


def _table(label: str, threat: str, runs: Sequence[tuple[str, Record]]) -> Table:
    names, methods = labels(record.spec["metric"] for _, record in runs), labels(method for method, _ in runs)
    seeds = {record.spec.get("seed") for _, record in runs}
    median = f"median {threat_label(threat)} {'norm' if runs[0][1].norm else 'size'}"
    found: list[tuple[tuple[object, ...], dict[str, Value]]] = []
    for method, record in runs:
        n, eps, share = record.samples["id"].nunique(), record.spec["eps"], _area(record)
        majority, person = _people(record)
        line: dict[str, Value] = {
            "metric": names[record.spec["metric"]],
            "n": n,
            "attack": methods[method] + (f", seed {record.spec.get('seed')}" if len(seeds) > 1 else ""),
            "eps": ", ".join(map(eps_text, sorted(eps))),
            "area": Cell.share(share).doubted(doubts_in(record, "attack")),
            median: _median(record),
            "majority": majority,
            "one person": person,
        }
        # Most triplets first, equal eps together, then the largest area.
        found.append(((-n, sorted(eps), -share.value, line["metric"], line["attack"]), line))
    lines = [line for _, line in sorted(found, key=lambda pair: pair[0])]
    columns = [name for name in lines[0] if any(line[name] is not None for line in lines)]
    worst = any(str(line["attack"]).startswith(WORST) for line in lines)
    notes = {"area": f"{AREA_NOTE} {WORST_NOTE}" if worst else AREA_NOTE, median: MEDIAN_NOTE, "majority": CEILING_NOTE}
    return Table(
        title=f"Area under the curve after {threat_label(threat)} attacks on {label}, percent",
        columns=tuple(columns),
        rows=tuple(tuple(line[name] for name in columns) for line in lines),
        notes=(*(note for name, note in notes.items() if name in columns), *unit_notes([runs[0][1]])),
        name=f"summary_{file_stem(threat)}_{file_stem(label)}",
    )


def _area(record: Record) -> Estimate:
    """With an interval also where all references have the same area, or there is one, and a bootstrap draws nothing."""
    names = references(record, record.samples["id"].unique()).tolist()
    found = area(record) if len(set(names)) > 1 else None
    if found is not None and found.low < found.high:
        return found
    return proportion(areas(record), independent=independent(names))


def _median(record: Record) -> Value:
    """None for attacks that stop at the first flip within eps."""
    if not record.facts.get("minimal"):
        return None
    found = median_norm(minimal_norms(record))
    if math.isfinite(found.value):
        return Cell(found.value, found.low, found.high, found.n, "norm").doubted(doubts_in(record, "attack"))
    least = f" [{found.low:.4g}, inf]" if math.isfinite(found.low) else ""
    return f"> {eps_text(max(record.spec['eps']))}{least}"


def _people(record: Record) -> tuple[Cell | None, Cell | None]:
    """The scores of people; none where they agreed on every triplet, which were chosen for that."""
    once = record.samples.drop_duplicates("id")
    share = once["right_share"].to_numpy()
    if not ((share > 0) & (share < 1)).any():
        return None, None
    ceiling = human_ceiling(share, references=references(record, once["id"]).tolist())
    return Cell.share(ceiling.majority), Cell.share(ceiling.person)
