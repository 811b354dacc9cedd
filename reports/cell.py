"""What a cell of a table holds: a number with its interval, a plain number or a word; and what speaks against it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

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
