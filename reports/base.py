"""What a report is made of: tables and charts as plain data, which formats only print."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol, TypeAlias

import numpy as np

from perceptbench.core.registry import Registry
from perceptbench.reports.wording import labels
from perceptbench.results.flags import RaisedFlag, raised
from perceptbench.results.record import Record
from perceptbench.results.rows import Row
from perceptbench.results.statistics.estimates import Estimate


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its 95 % interval over n triplets: a score in percent, a mean distance, a norm, passes."""

    value: float
    low: float
    high: float
    n: int
    unit: Literal["percent", "distance", "norm", "passes"] = "percent"
    mark: str = ""
    """Signs behind the number that notes of the table explain."""
    doubts: tuple[str, ...] = ()
    """What was seen that speaks against the number, a sentence each; below the table they are printed."""

    @classmethod
    def of(cls, row: Row) -> "Cell":
        """The number of a row; a certificate that is no promise is marked, and what a flag was raised for."""
        mark = (SMOOTHED if row.likely else UNSOUND) if row.kind == "certificate" and not row.sound else ""
        return cls(row.score, row.low, row.high, row.n, row.unit, mark).doubted(doubts_of(row))

    def doubted(self, doubts: Sequence[str]) -> "Cell":
        """The same number with a mark, where there is something that speaks against it."""
        return replace(self, mark=self.mark + FLAGGED, doubts=tuple(doubts)) if doubts else self

    @property
    def words(self) -> tuple[str, str, str]:
        """Value and ends of the interval with the digits worth reading, the same in every format."""
        form = {"percent": ".1f", "distance": ".4g", "norm": ".4g", "passes": ".3g"}[self.unit]
        return f"{self.value:{form}}", f"{self.low:{form}}", f"{self.high:{form}}"

    @classmethod
    def share(cls, estimate: Estimate) -> "Cell":
        """A share of triplets, in percent."""
        return cls(100 * estimate.value, 100 * estimate.low, 100 * estimate.high, estimate.n)


FLAGGED = "†"
"""Of a number that a flag of distrust was raised for (docs/flags.md)."""
UNSOUND = "§"
SMOOTHED = "‡"
WEAKER = "¶"
MARKS = {
    UNSOUND: "not sound: the assumptions of the certifier do not hold for this metric, so this is no promise.",
    SMOOTHED: "holds for a smoothed form of the metric, with the probability stated among the details of its run.",
}
"""What the signs behind certified numbers mean."""


def doubts_of(row: Row) -> tuple[str, ...]:
    """What was seen that speaks against the number of a row, in one sentence; empty where nothing was."""
    return _doubts(row.metric, row.method, row.flags)


def doubts_in(record: Record, kind: str) -> tuple[str, ...]:
    """The same of a number that was computed from the samples of a run: `natural` or `attack`."""
    method = record.spec["attack"] if kind == "attack" else None
    return _doubts(record.spec["metric"], method, raised(record.facts, kind))


def _doubts(metric: str, method: str | None, flags: Sequence[RaisedFlag]) -> tuple[str, ...]:
    subject = ", ".join(word for word in (labels([metric])[metric], method) if word)
    seen = "; ".join(f"{one.sentence} ({one.flag})" for one in flags)
    return (f"{subject}: {seen}",) if seen else ()


@dataclass(frozen=True, slots=True)
class Number:
    """A number without an interval, and how many digits of it are worth reading."""

    value: float
    form: str = ".1f"

    def __str__(self) -> str:
        return f"{self.value:{self.form}}"


Value: TypeAlias = str | int | Cell | Number | None


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
class Curve:
    """Scores in percent over eps; `points` are (eps, cell), sorted by eps."""

    metric: str
    proved: bool
    points: tuple[tuple[float, Cell], ...]
    style: int
    """Number of the metric in the whole report: the same colour and marker in every panel."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes: curves of one data set and one threat."""

    title: str
    x_label: str
    curves: tuple[Curve, ...]
    y_label: str = "2AFC score, percent"
    solid: str = "after all attacks"
    """What curves are that are not proved."""
    even: bool = True
    """Whether a line at 50 % says what a coin scores."""
    steps: tuple[str, ...] = ()
    """Names of 0, 1, 2, ... on the horizontal axis, where they stand for something; empty where numbers do."""
    counts: str = ""
    """What is counted along the horizontal axis, in a word, where it is no budget."""

    @property
    def banded(self) -> bool:
        """Whether intervals are drawn: those of more than four metrics would hide each other."""
        return len({curve.metric for curve in self.curves}) <= 4


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars: a group a metric, from the top; in each a bar a series. `cells[group][series]` in percent."""

    title: str
    x_label: str
    groups: tuple[str, ...]
    series: tuple[str, ...]
    cells: tuple[tuple[Cell | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Density:
    """Values of one metric as a histogram; `heights` are one less than `edges`, `smooth` is the kernel estimate."""

    metric: str
    style: int
    edges: tuple[float, ...]
    heights: tuple[float, ...]
    """Percent of the values in each bin."""
    smooth: tuple[tuple[float, float], ...]
    """(value, percent a bin at that density); empty where the values fill hardly more than one bin."""
    mean: float
    n: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """Histograms over one scale of values."""

    title: str
    x_label: str
    densities: tuple[Density, ...]


@dataclass(frozen=True, slots=True)
class Dots:
    """Points (x, y) of one metric; of `open` ones only a lower bound of y is known."""

    metric: str
    style: int
    points: tuple[tuple[float, float], ...]
    open: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Scatter:
    """Points above the diagonal y = x, if what is proved holds."""

    title: str
    x_label: str
    y_label: str
    dots: tuple[Dots, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Numbers in a grid, darker where they are larger. `cells[row][column]` in percent; None where nothing is known."""

    title: str
    x_label: str
    y_label: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Cell | None, ...], ...]


@dataclass(frozen=True, slots=True)
class EffortLine:
    """One attack at several efforts: (passes, percent above the optimum); infinite where it had no success."""

    name: str
    style: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Efforts:
    """Excess over an optimum against cost, both on logarithmic axes."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[EffortLine, ...]
    front: tuple[tuple[float, float], ...]
    """The least excess for each cost, from the cheapest on."""
    floor: float
    """Excess, in percent, below which nothing is told apart."""


Axes: TypeAlias = Panel | Bars | Distribution | Scatter | HeatMap | Efforts


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
    """Images side by side: a line a triplet, as wide as `columns`. A picture, like a chart."""

    title: str
    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Picture | None, ...], ...]
    notes: tuple[str, ...] = ()


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
