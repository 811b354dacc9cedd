"""Zero gradient: the attack followed a gradient that was not there."""

from dataclasses import dataclass
from typing import ClassVar

from perceptbench.attacks.adaptive import MASKED
from perceptbench.bench.flags.base import Flag, Observed, flag, percent


@flag("zero-gradient", source="arXiv:1802.00420, section 3")
@dataclass(frozen=True, slots=True)
class ZeroGradient(Flag):
    """The share of steps whose gradient is zero. A gradient that is not finite stops a run."""

    name: ClassVar[str] = "zero-gradient"
    threshold: ClassVar[float] = 0.1
    sign: ClassVar[str] = MASKED

    def measure(self, evidence: Observed) -> float | None:
        counts = evidence.search
        return counts.flat / counts.gradients if counts.gradients else None

    def sentence(self, measured: float) -> str:
        return (
            f"{percent(measured)} of the gradients are zero: rounding, argmax or a clamp hides the slope from every "
            "attack that follows gradients"
        )
