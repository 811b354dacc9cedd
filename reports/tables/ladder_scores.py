"""Natural scores after benign edits of the reference: a line a rung, a column a metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from perceptbench.reports.base import Table, report
from perceptbench.reports.cell import Cell, Value
from perceptbench.reports.newest import by_data, by_task, newest_first
from perceptbench.reports.wording import distinct, file_stem, labels
from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.rows import rows_of
from perceptbench.results.statistics.estimates import score
from perceptbench.results.tasks.ladder import UNEDITED, rungs_of

NOTE = (
    "Natural 2AFC score, percent, when the reference alone was edited: nobody attacks. Brackets: 95 % interval over "
    "references. Edits and what a strength is: bench list edits."
)
TURNED_NOTE = (
    "Triplets, percent, on which the metric prefers another image than before the edit, whatever people prefer: right "
    "answers that are lost and wrong ones that are put right. Brackets: 95 % interval over references."
)


@report("ladder", source="arXiv:1903.12261 (ImageNet-C) has rungs of this kind for classifiers")
@dataclass(frozen=True, slots=True)
class LadderTable:
    """Natural scores by edit and strength, the unedited triplets first."""

    place: ClassVar[int] = 4
    tasks: ClassVar[tuple[str, ...] | None] = ("ladder",)

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """Two tables a data set, list of rungs and number of triplets; of a metric the newest run."""
        found = list(climbed(records))
        stems = distinct([f"ladder_{file_stem(label)}" for label, _ in found])
        tables = []
        for (label, runs), stem in zip(found, stems, strict=True):
            scores = {metric: cells(record) for metric, record in runs.items()}
            lost = {metric: turned(record) for metric, record in runs.items()}
            tables.append(
                _table(f"Natural 2AFC score after benign edits of the reference, {label}", scores, stem, NOTE)
            )
            tables.append(_table(f"Answers turned by benign edits, {label}", lost, f"{stem}_turned", TURNED_NOTE))
        return tables


def climbed(records: Sequence[Record]) -> list[tuple[str, dict[str, Record]]]:
    """(data, newest run of each metric) for runs that climbed the same rungs with the same number of triplets."""
    found = []
    for _, label, mine in by_data(records):
        for _, same in by_task(mine):
            sizes = sorted({len(record.samples) for record in same}, reverse=True)
            for size in sizes:
                runs: dict[str, Record] = {}
                for record in newest_first([one for one in same if len(one.samples) == size]):
                    runs.setdefault(record.spec["metric"], record)
                found.append((label, dict(sorted(runs.items()))))
    return found


def cells(record: Record) -> dict[str, Cell]:
    """The score on each rung, in order."""
    return {row.measure: Cell.of(row) for row in rows_of(record) if row.kind == "natural"}


def turned(record: Record) -> dict[str, Cell]:
    """The share of triplets whose answer is another one than on the unedited triplet, on each rung in order."""
    samples = record.samples.drop_duplicates("id")
    names = [name.removesuffix(f" {rung}") for name, rung in zip(samples["id"], samples["group"], strict=True)]
    samples = samples.assign(triplet=names, answer=np.sign(samples["d0"] - samples["d1"]))
    before = samples[samples["group"] == UNEDITED].set_index("triplet")["answer"]
    found = {}
    for rung in rungs_of(record)[1:]:
        mine = samples[samples["group"] == rung]
        other = mine["answer"].to_numpy() != before.loc[mine["triplet"]].to_numpy()
        found[rung] = Cell.share(score(other.astype(float), references(record, mine["id"]).tolist()))
    return found


def _table(title: str, columns: dict[str, dict[str, Cell]], stem: str, note: str) -> Table:
    names, rungs = labels(columns), list(next(iter(columns.values())))
    rows: list[tuple[Value, ...]] = [(rung, *(column.get(rung) for column in columns.values())) for rung in rungs]
    n = next(iter(columns.values()))[rungs[0]].n
    starts = [at for at in range(1, len(rungs)) if rungs[at].split()[0] != rungs[at - 1].split()[0]]
    return Table(
        title=f"{title}, percent (n = {n})",
        columns=("edit", *(names[metric] for metric in columns)),
        rows=tuple(rows),
        notes=(note,),
        name=stem,
        rules=tuple(starts),
    )


def words(value: Value) -> str:
    """A cell in a terminal: the score with its interval."""
    if isinstance(value, Cell):
        number, low, high = value.words
        return f"{number} [{low}, {high}]{value.mark}"
    return "" if value is None else str(value)
