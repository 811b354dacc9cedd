"""Numbers that others published, each with its source. They stand beside measured ones, never among them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from importlib.resources import files

from perceptbench.reports.cell import Number
from perceptbench.reports.wording import side_of

FACTS = "published"
PUBLISHED_SIDES = {"BAPPS": 64}
"""The side in pixels at which metrics see a data set in its own publication, where that is not ours."""
OTHER_SIDE = "¶"
"""Behind the metric of a number that is of images of another side than the scores beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One published score in percent."""

    source: str
    """In a few words: the publication and the table."""
    reference: str
    """Where to find it."""
    metric: str
    detail: str
    data: str
    n: int | None
    shown: tuple[str, ...]
    """Which of our tables it stands in: natural, l2, linf, certified; none for a number kept for reference."""
    kind: str
    method: str
    norm: str
    eps: float | None
    group: str
    score: Number
    """With the digits that were printed."""
    note: str

    @property
    def name(self) -> str:
        """The metric as its source tells it from others."""
        return f"{self.metric} ({self.detail})" if self.detail else self.metric


@cache
def facts() -> tuple[Fact, ...]:
    """Every published number that ships with this package, in the order of its tables."""
    folder = files("perceptbench.reports") / FACTS
    found = []
    for name in ("lipsim.csv", "others.csv"):
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        found += [_fact(row) for row in csv.DictReader(lines)]
    return tuple(found)


def facts_for(table: str, data: str) -> list[Fact]:
    """What stands in a table beside scores on a data set: only numbers on data of the same name.

    They are marked where the data were published at another side than that of the scores.
    """
    name = data.partition(":")[0].upper()
    found = [fact for fact in facts() if table in fact.shown and fact.data == name]
    side, published = side_of(data), PUBLISHED_SIDES.get(name)
    return found if published in (None, side) else [_of_another_side(fact, published, side) for fact in found]


def _of_another_side(fact: Fact, published: int | None, side: int) -> Fact:
    said = f"{OTHER_SIDE} {fact.data} is published at {published} x {published} pixels, and measured here at {side}"
    return replace(fact, metric=f"{fact.metric}{OTHER_SIDE}", note="; ".join(filter(None, (fact.note, said))))


def remarks(shown: Sequence[Fact]) -> str:
    """Where published numbers are from, and what has to be said with them."""
    places = dict.fromkeys(f"{fact.source.partition(',')[0]}: {fact.reference}" for fact in shown)
    slips = dict.fromkeys(f"{fact.note}." for fact in shown if fact.note)
    return " ".join([f"Sources: {'; '.join(places)}.", *slips])


def _fact(row: dict[str, str]) -> Fact:
    digits = len(row["score"].partition(".")[2])
    return Fact(
        source=row["source"],
        reference=row["reference"],
        metric=row["metric"],
        detail=row["detail"],
        data=row["data"],
        n=int(row["n"]) if row["n"] else None,
        shown=tuple(row["shown"].split()),
        kind=row["kind"],
        method=row["method"],
        norm=row["norm"],
        eps=float(Fraction(row["eps"])) if row["eps"] else None,
        group=row["group"],
        score=Number(float(row["score"]), f".{digits}f"),
        note=row["note"],
    )
