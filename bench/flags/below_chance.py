"""Direction: the clean score is below that of a coin."""

from dataclasses import dataclass
from typing import ClassVar

from perceptbench.bench.flags.base import Flag, Observed, flag


@flag("direction", source="a similarity passed as a distance")
@dataclass(frozen=True, slots=True)
class BelowChance(Flag):
    """The upper end of the 95 % interval of the clean score in percent, where a coin has a score too: 50."""

    name: ClassVar[str] = "direction"
    threshold: ClassVar[float] = 50.0
    below: ClassVar[bool] = True
    marks: ClassVar[tuple[str, ...]] = ("natural", "attack", "certificate")

    def measure(self, evidence: Observed) -> float | None:
        return evidence.natural

    def sentence(self, measured: float) -> str:
        return (
            f"the clean score is below that of a coin, at most {measured:.0f} %: is a similarity passed as a distance, "
            "or does the metric expect another range than [0, 1]?"
        )
