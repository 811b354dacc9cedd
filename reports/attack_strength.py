"""How good attacks are, as a table and a figure: the size that each needs beside the smallest, and its cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from perceptbench.reports.axes import EffortLine, Efforts
from perceptbench.reports.base import Block, Chart, Document, Table
from perceptbench.reports.cell import Number, Value

FLOOR = 0.01
"""Percent of excess below which the figure shows no difference: rounding in float32 is near."""
_CLOSE = 0.001
"""Two ratios this near to each other count as equal, relative to the smaller one."""
NOTE = (
    "Ratio: the measured size of the smallest success over the smallest that there is, which is proved; median and "
    "90th percentile over the images of all victims. Within 1 %: the share of images with a ratio of at most 1.01. "
    "None: the share without a success at 5 times the optimum. A minimal attack (smallest) has one call. For one that "
    "fills a budget, the budget grows from 0.999, where none can succeed, to 5 times the optimum until it suffices. "
    "Passes: forwards and backwards an image, in the dearest call (what a run at one eps pays for an image that "
    "stands) and in all calls together. Line: no other row of the norm has both fewer passes a call and a smaller "
    "90th percentile."
)
BESIDE_NOTE = (
    "For each attack of another library, the best of ours that looks for the same thing, within eps or the smallest "
    "change, with or without gradients, at no more passes a call. At least as strong: neither its median nor its 90th "
    "percentile is larger by more than a thousandth."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackStrength:
    """What one attack needed on all victims of its norm.

    Args:
        attack: as typed, with the numbers that its effort gave it.
        effort: what its steps and queries were multiplied by.
        ours: whether its code is of this project.
        smallest: whether it looks for the smallest change, and not for any within eps.
        gradient: whether it follows gradients.
        n: images.
        median, p90: of the ratios of sizes; infinite where too many images had no success.
        close: share of images within 1 % of the optimum.
        none: share of images without a success.
        call, total: mean passes an image: of the dearest call, and of all.
    """

    attack: str
    effort: float
    norm: str
    ours: bool
    smallest: bool
    gradient: bool
    n: int
    median: float
    p90: float
    close: float
    none: float
    call: float
    total: float


def document(strengths: Sequence[AttackStrength], victims: Sequence[str]) -> Document:
    """The figure, the table, and what is beside attacks of other libraries.

    Args:
        victims: what the images were, a phrase each.
    """
    opening = (
        f"Each attack on victims whose nearest success is known by proof: {'; '.join(victims)}. The victims stand in "
        "`attacks/strength/victims.py`.",
    )
    norms = list(dict.fromkeys(one.norm for one in strengths))
    tables = [strength_table([one for one in strengths if one.norm == norm], norm) for norm in norms]
    others = beside(strengths)
    blocks: list[Block] = [chart(strengths), *tables, *([others] if others.rows else [])]
    return Document("How good is each attack", opening, tuple(blocks), ())


def strength_table(strengths: Sequence[AttackStrength], norm: str) -> Table:
    """A row an attack and effort, the strongest first."""
    best = {id(one) for one in pareto(strengths)}
    rows: list[tuple[Value, ...]] = [
        (
            one.attack, "smallest" if one.smallest else "within eps", one.n, _ratio(one.median), _ratio(one.p90),
            Number(100 * one.close, ".0f"), Number(100 * one.none, ".0f"), Number(one.call, ".0f"),
            Number(one.total, ".0f"), "yes" if id(one) in best else "",
        )
        for one in sorted(strengths, key=lambda one: (one.p90, one.median, one.call))
    ]  # fmt: skip
    columns = (
        "attack", "looks for", "n", "median ratio", "90 % ratio", "within 1 %, %", "none, %", "passes a call",
        "passes in all", "line",
    )  # fmt: skip
    return Table(f"Attacks in {norm}", columns, tuple(rows), (NOTE,), f"attacks_{norm}")


def beside(strengths: Sequence[AttackStrength]) -> Table:
    """Each attack of another library beside the best of ours of the same kind that costs no more."""
    rows: list[tuple[Value, ...]] = []
    for one in (one for one in strengths if not one.ours):
        equals = [
            other
            for other in strengths
            if other.ours
            and (other.norm, other.smallest, other.gradient) == (one.norm, one.smallest, one.gradient)
            and other.call <= one.call
        ]
        ours = min(equals, key=lambda other: (other.p90, other.median), default=None)
        verdict = "no such attack of ours costs as little" if ours is None else "yes" if as_strong(ours, one) else "NO"
        mine: tuple[Value, ...] = (
            (None,) * 4 if ours is None
            else (ours.attack, _ratio(ours.median), _ratio(ours.p90), Number(ours.call, ".0f"))
        )  # fmt: skip
        rows.append((one.attack, _ratio(one.median), _ratio(one.p90), Number(one.call, ".0f"), *mine, verdict))
    columns = ("attack", "median", "90 %", "passes", "ours", "median", "90 %", "passes", "at least as strong?")
    return Table("Beside attacks of other libraries", columns, tuple(rows), (BESIDE_NOTE,), "attacks_beside")


def as_strong(ours: AttackStrength, other: AttackStrength) -> bool:
    """Whether neither the median nor the 90th percentile of ours is larger than the other one's."""
    return ours.median <= other.median * (1 + _CLOSE) and ours.p90 <= other.p90 * (1 + _CLOSE)


def pareto(strengths: Sequence[AttackStrength]) -> list[AttackStrength]:
    """Those that no other one beats in both passes a call and 90th percentile, from the cheapest on."""
    line: list[AttackStrength] = []
    for one in sorted(strengths, key=lambda one: (one.call, one.p90)):
        if math.isfinite(one.p90) and (not line or one.p90 < line[-1].p90):
            line.append(one)
    return line


def chart(strengths: Sequence[AttackStrength]) -> Chart:
    """Excess over the optimum against passes: a panel a norm, a line an attack through its efforts."""
    names = list(dict.fromkeys(_family(one.attack) for one in strengths))
    panels = []
    for norm in dict.fromkeys(one.norm for one in strengths):
        mine = [one for one in strengths if one.norm == norm]
        lines = tuple(
            EffortLine(name, style, tuple(sorted(_point(one) for one in mine if _family(one.attack) == name)))
            for style, name in enumerate(names)
        )
        panels.append(
            Efforts(
                title=norm,
                x_label="forwards + backwards an image, a call",
                y_label="90th percentile: above the optimum by, percent",
                lines=tuple(line for line in lines if line.points),
                front=tuple(_point(one) for one in pareto(mine)),
                floor=FLOOR,
            )
        )
    note = (
        f"Lower left is better. Grey: the best that any attack reaches with so many passes. Excess below {FLOOR:g} % "
        "is drawn there. Hollow, at the top: no success at 5 times the optimum on a tenth of the images or more."
    )
    return Chart("How good is each attack", "attacks", tuple(panels), (note,))


def _family(attack: str) -> str:
    """The name without the norm, which the panel says, and without arguments."""
    name = attack.partition("(")[0]
    return name.partition("-")[2] if name.partition("-")[0] in ("l2", "linf") else name


def _point(one: AttackStrength) -> tuple[float, float]:
    """(passes, percent of excess); infinite excess for no success."""
    return one.call, max(100 * (one.p90 - 1), FLOOR)


def _ratio(value: float) -> Value:
    return Number(value, ".4f") if math.isfinite(value) else "none"


def lines_csv(strengths: Sequence[AttackStrength]) -> str:
    """One line an attack and effort, in full precision."""
    names = [one.name for one in fields(AttackStrength)]
    lines = [",".join(names)]
    for one in strengths:
        values = (getattr(one, name) for name in names)
        lines.append(",".join(f'"{value}"' if isinstance(value, str) else str(value) for value in values))
    return "\n".join(lines) + "\n"
