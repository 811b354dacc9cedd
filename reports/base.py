"""What a report is made of: tables, charts and sheets as plain data, which formats only print."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias

import numpy as np

from perceptbench.core.registry import Registry
from perceptbench.reports.axes import Axes
from perceptbench.reports.cell import Value
from perceptbench.results.record import Record


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
    prose: bool = False
    """Whether cells hold sentences and not numbers: details to look up, not a table for a paper."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"the table {self.title!r} has {len(self.columns)} columns, a row has {len(row)}")


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture; `name` is that of its file, without the suffix. All panels are of one kind."""

    title: str
    name: str
    panels: tuple[Axes, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """An image with the words below it; `pixels` are (h, w, 3), uint8."""

    pixels: np.ndarray
    caption: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """Images side by side, in lines as wide as `columns`. A picture, like a chart."""

    title: str
    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Picture | None, ...], ...]
    notes: tuple[str, ...] = ()
    line: str = "line"
    """What a line shows, in a word that is counted: `triplet`."""


Figure: TypeAlias = Chart | Sheet
Block: TypeAlias = Table | Chart | Sheet


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
    tasks: ClassVar[tuple[str, ...] | None]
    """Names of the tasks whose runs it is given; None for the runs of every task."""

    def __call__(self, records: Sequence[Record]) -> Sequence[Block]:
        """Tables and charts; none where the runs hold nothing of that kind."""
        ...


report: Registry[Report] = Registry("report", "perceptbench.reports")
