"""What one pair of axes of a chart shows, as plain data: a kind of picture a class, which `drawing/` draws."""

from dataclasses import dataclass
from typing import TypeAlias

from perceptbench.reports.cell import Cell


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
