"""What a report is made of: tables and charts as plain data, which markdown and figures only print."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, TypeAlias

from core.registry import Registry
from results.record import Record
from results.rows import Row


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its 95 % interval over n triplets: a score in percent, or a mean distance."""

    value: float
    low: float
    high: float
    n: int
    unit: Literal["percent", "distance"] = "percent"
    mark: str = ""
    """A sign behind the number that a note of the table explains."""

    @classmethod
    def of(cls, row: Row) -> "Cell":
        """The number of a row; a certificate that is no promise is marked."""
        mark = (SMOOTHED if row.likely else UNSOUND) if row.kind == "certificate" and not row.sound else ""
        return cls(row.score, row.low, row.high, row.n, row.unit, mark)


UNSOUND = "†"
SMOOTHED = "‡"
MARKS = {
    UNSOUND: "not sound: the assumptions of the certifier do not hold for this metric, so this is no promise.",
    SMOOTHED: "holds for a smoothed form of the metric, with the probability stated among the details of its run.",
}
"""What the signs behind numbers mean."""

Value: TypeAlias = str | int | float | Cell | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as wide as `columns`; None is an empty cell. Raises ValueError for a row of another width."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()
    name: str = ""
    """Stem of its own files, for formats that write one a table; the title's words where it is empty."""
    rules: tuple[int, ...] = ()
    """Rows above which a line is drawn: what is below is of another kind."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"the table {self.title!r} has {len(self.columns)} columns, a row has {len(row)}")


@dataclass(frozen=True, slots=True)
class Curve:
    """Scores in percent over eps; `points` are (eps, cell), sorted by eps."""

    metric: str
    proved: bool
    points: tuple[tuple[float, Cell], ...]
    style: int
    """Number of the metric in the whole report: the same colour and marker in every panel."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes: curves of one data set and one norm."""

    title: str
    x_label: str
    curves: tuple[Curve, ...]

    @property
    def banded(self) -> bool:
        """Whether intervals are drawn: those of more than four metrics would hide each other."""
        return len({curve.metric for curve in self.curves}) <= 4


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture; `name` is that of its file, without the suffix."""

    title: str
    name: str
    panels: tuple[Panel, ...]
    notes: tuple[str, ...] = ()


Block: TypeAlias = Table | Chart


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report, before it is printed in any format."""

    title: str
    opening: tuple[str, ...]
    """Paragraphs before the first block."""
    blocks: tuple[Block, ...]
    records: tuple[Record, ...]
    """The runs shown; those that newer ones replace are not among them."""


Format: TypeAlias = Callable[[Document], Mapping[str, str]]
"""Prints a report: path below the folder of the report -> content of the file. Pictures lie beside them."""


class Report(Protocol):
    """One way to look at finished runs. Fields of the dataclass are its arguments."""

    place: ClassVar[int]
    """Smaller numbers come first in the document."""

    def __call__(self, records: Sequence[Record]) -> Sequence[Block]:
        """Tables and charts; none where the runs hold nothing of that kind."""
        ...


report: Registry[Report] = Registry("report", "reports")
