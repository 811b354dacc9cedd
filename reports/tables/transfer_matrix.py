"""What each metric loses to images that were found on each of the others: a table and a map, a row a source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.reports.axes import HeatMap
from perceptbench.reports.base import Block, Chart, Table, report
from perceptbench.reports.cell import Cell
from perceptbench.reports.newest import newest_first
from perceptbench.reports.wording import distinct, eps_text, file_stem, labels, threat_label, unit_notes
from perceptbench.results.record import Record
from perceptbench.results.rows import attack_name
from perceptbench.results.transferred import Matrix, matrices, search_of

NOTE = (
    "A row: images found on that metric, each at the full eps, without a stop at its first flip. A column: of the "
    "triplets that this metric had right, the share that it gets wrong on these images. On the diagonal a metric "
    "judges images found on itself. Brackets: 95 % interval over references."
)
PLUS_NOTE = "Several metrics with + between them were attacked together, by the mean of their margins."


@report("transfer-matrix", source="arXiv:1605.07277; of perceptual metrics: Ghildyal and Liu, TMLR 2023")
@dataclass(frozen=True, slots=True)
class TransferMatrix:
    """The share of right answers that a metric loses to images found on others."""

    place: ClassVar[int] = 6
    tasks: ClassVar[tuple[str, ...] | None] = ("preference",)

    def __call__(self, records: Sequence[Record]) -> list[Block]:
        """A table and a map for each data set, threat, eps and way to search, where at least two pairs were run."""
        found = matrices(newest_first(records))
        names = labels(sorted({matrix.question.data for matrix in found}))
        stems = distinct([_stem(matrix, names[matrix.question.data]) for matrix in found])
        return [
            block
            for matrix, stem in zip(found, stems, strict=True)
            for block in _blocks(matrix, names[matrix.question.data], stem)
        ]


def _stem(matrix: Matrix, data: str) -> str:
    return f"transfer_{file_stem(matrix.question.threat)}_{file_stem(data)}_{matrix.question.eps:g}"


def _blocks(matrix: Matrix, data: str, stem: str) -> tuple[Table, Chart]:
    question, names = matrix.question, labels(sorted({*matrix.sources, *matrix.targets}))
    cells = [
        [Cell.share(one) if (one := matrix.lost.get((source, target))) else None for target in matrix.targets]
        for source in matrix.sources
    ]
    title = f"Transfer on {data}, {threat_label(question.threat)} eps {eps_text(question.eps)}, percent"
    notes = (
        NOTE, *([PLUS_NOTE] if any("+" in source for source in matrix.sources) else []), _how(matrix),
        *unit_notes(matrix.records[:1]),
    )  # fmt: skip
    columns = [_column(matrix, target, names[target]) for target in matrix.targets]
    table = Table(
        title=title,
        columns=("found on, judged by:", *columns),
        rows=tuple((names[source], *row) for source, row in zip(matrix.sources, cells, strict=True)),
        notes=notes,
        name=stem,
    )
    panel = HeatMap(
        title=f"share of right answers that are lost, percent (n = {question.n})",
        x_label="judged by", y_label="found on",
        rows=tuple(names[source] for source in matrix.sources), columns=tuple(names[one] for one in matrix.targets),
        cells=tuple(map(tuple, cells)),
    )  # fmt: skip
    return table, Chart(title.removesuffix(", percent"), f"{stem}_map", (panel,), notes)


def _column(matrix: Matrix, target: str, name: str) -> str:
    """With the number of triplets that the metric had right, which is that of every cell below."""
    counts = {one.n for (_, to), one in matrix.lost.items() if to == target}
    return f"{name} ({', '.join(map(str, sorted(counts)))} right)" if counts else f"{name} (none right)"


def _how(matrix: Matrix) -> str:
    """How images were searched, as typed by the newest run."""
    record = matrix.records[0]
    said = ", ".join(f"{key} {value}" for key, value in search_of(record).items() if value)
    return f"Searched {said}; the newest run as typed: {attack_name(record)}."
