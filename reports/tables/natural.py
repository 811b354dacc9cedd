"""Agreement with people before any attack, by subset: Table 4 of the LipSim paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.cell import Cell, Value, doubts_in
from perceptbench.reports.newest import by_data
from perceptbench.reports.tables.lines import MEASURED, PUBLISHED_NOTE, interval_note
from perceptbench.reports.tables.literature import Fact, facts_for, remarks
from perceptbench.reports.wording import TRIPLET_TASKS, file_stem, labels
from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.statistics.estimates import natural_credit, score

MOST_GROUPS = 6
"""More subsets than that make no table; rows.csv and samples.parquet have them."""
OVERALL = "overall"


@report("natural", source="arXiv:2310.18274 (LipSim), Table 4")
@dataclass(frozen=True, slots=True)
class Natural:
    """Natural 2AFC scores, overall and by the subsets that the data set names (NIGHTS: ImageNet and other)."""

    place: ClassVar[int] = 4
    tasks: ClassVar[tuple[str, ...] | None] = TRIPLET_TASKS

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """One table a data set on which people, or a construction, gave answers."""
        found = ((data, label, _answered(mine)) for data, label, mine in by_data(records))
        return [_table(data, label, mine) for data, label, mine in found if mine]


def _answered(records: Sequence[Record]) -> list[Record]:
    """One run a metric and number of triplets: its natural score is the same in all of them."""
    found: dict[tuple[str, int], Record] = {}
    for record in records:
        # Rounded images are other images.
        if record.facts.get("answers", True) and not record.spec.get("quantize"):
            found.setdefault((record.spec["metric"], record.samples["id"].nunique()), record)
    return list(found.values())


def _table(data: str, label: str, records: Sequence[Record]) -> Table:
    groups = sorted({str(name) for record in records for name in record.samples["group"].fillna("")} - {""})
    groups = groups if 2 <= len(groups) <= MOST_GROUPS else []
    names = labels(record.spec["metric"] for record in records)
    ours = sorted(
        ((names[record.spec["metric"]], *_scores(record, groups)) for record in records),
        key=lambda line: (-line[1].n, -line[1].value, line[0]),
    )
    facts = facts_for("natural", data)
    theirs = _published(facts, groups)
    sizes = {total.n: [cell.n if cell else 0 for cell in parts] for _, total, parts in ours}
    counts = "; ".join(
        f"of {n} triplets, {', '.join(f'{size} {group}' for size, group in zip(sizes[n], groups, strict=True))}"
        for n in sizes
    )
    form = "The form of Table 4 of the LipSim paper (arXiv:2310.18274)." if facts else ""
    subsets = f"Subsets: {counts}." if groups else ""
    said = f"A tie of the metric counts one half. {interval_note('preference')} {subsets} {form}"
    lines: list[tuple[Value, ...]] = [
        (name, total.n, total, *parts, *([MEASURED] if theirs else [])) for name, total, parts in ours
    ]
    return Table(
        title=f"Natural 2AFC score on {label}, percent",
        columns=("metric", "n", OVERALL, *groups, *(["source"] if theirs else [])),
        rows=(*lines, *theirs),
        notes=(said, *([f"{PUBLISHED_NOTE} {remarks(facts)}"] if theirs else [])),
        name=f"natural_{file_stem(label)}",
        rules=(len(ours),) if theirs else (),
    )


def _scores(record: Record, groups: Sequence[str]) -> tuple[Cell, list[Cell | None]]:
    """The score over all triplets, and over each subset; None for one without triplets."""
    once = record.samples.drop_duplicates("id")
    credit, drawn = natural_credit(once), references(record, once["id"])
    masks = [(once["group"] == group).fillna(False).to_numpy(dtype=bool) for group in groups]
    doubts = doubts_in(record, "natural")
    parts = [
        Cell.share(score(credit[mask], drawn[mask].tolist())).doubted(doubts) if mask.any() else None for mask in masks
    ]
    return Cell.share(score(credit, drawn.tolist())).doubted(doubts), parts


def _published(facts: Sequence[Fact], groups: Sequence[str]) -> list[tuple[Value, ...]]:
    lines: dict[tuple[str, str], dict[str, Fact]] = {}
    for fact in facts:
        lines.setdefault((fact.source, fact.name), {})[fact.group or OVERALL] = fact
    return [
        (
            name,
            by_group[OVERALL].n,
            *(by_group[group].score if group in by_group else None for group in (OVERALL, *groups)),
            f"published: {source}",
        )
        for (source, name), by_group in lines.items()
        if OVERALL in by_group
    ]
