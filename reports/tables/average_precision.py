"""Mean average precision of searches with labels, before any attack."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.base import Table, report
from perceptbench.reports.cell import Cell
from perceptbench.reports.newest import newest_first
from perceptbench.reports.wording import distinct, file_stem, labels
from perceptbench.results.record import Record
from perceptbench.results.tasks.retrieval import mean_average_precision

_NOTE = (
    "Mean over queries of the average precision of all right images; wrong images at the distance of a right one stand "
    "before it. Brackets: 95 % interval over queries, for this gallery. Nothing is proved of it."
)


@report("average-precision", source="Manning, Raghavan and Schuetze 2008, section 8.4")
@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """One table a gallery, one line a metric; runs of several k share it."""

    place: ClassVar[int] = 5
    tasks: ClassVar[tuple[str, ...] | None] = ("retrieval",)

    def __call__(self, records: Sequence[Record]) -> list[Table]:
        """None for galleries without labels."""
        found: dict[str, dict[str, Cell]] = {}
        for record in newest_first(records):
            measured = mean_average_precision(record)
            cells = found.setdefault(record.spec["data"], {})
            metric = record.spec["metric"]
            # Several runs of one metric have the same clean answers; of parts of the queries the larger one counts.
            if measured and (metric not in cells or cells[metric].n < measured.estimate.n):
                cells[metric] = Cell.share(measured.estimate)
        shown = {data: cells for data, cells in found.items() if cells}
        names = labels(shown)
        stems = distinct([f"average_precision_{file_stem(names[data])}" for data in shown])
        return [_table(names[data], cells, stem) for (data, cells), stem in zip(shown.items(), stems, strict=True)]


def _table(data: str, cells: dict[str, Cell], stem: str) -> Table:
    names = labels(cells)
    rows = tuple((names[metric], cell.n, cell) for metric, cell in sorted(cells.items(), key=lambda one: -one[1].value))
    return Table(f"Mean average precision on {data}, percent", ("metric", "n", "mAP"), rows, (_NOTE,), stem)
