"""No ascent: the attack ran, and the loss never rose."""

from dataclasses import dataclass
from typing import ClassVar

from perceptbench.attacks.adaptive import MASKED
from perceptbench.bench.flags.base import Flag, Observed, flag, percent


@flag("no-ascent", source="arXiv:1902.06705, section 5.3")
@dataclass(frozen=True, slots=True)
class NoAscent(Flag):
    """The share of attacked samples whose loss never rose above that of the first image."""

    name: ClassVar[str] = "no-ascent"
    threshold: ClassVar[float] = 0.1
    sign: ClassVar[str] = MASKED

    def measure(self, evidence: Observed) -> float | None:
        counts = evidence.search
        return counts.stuck / counts.samples if counts.samples else None

    def sentence(self, measured: float) -> str:
        return f"on {percent(measured)} of the attacked samples no step came nearer to the goal than the first image"
