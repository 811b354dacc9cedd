"""Finite difference: the gradient is not the slope of the distance."""

from dataclasses import dataclass
from typing import ClassVar

from perceptbench.attacks.adaptive import MASKED
from perceptbench.bench.flags.base import Flag, Observed, flag, percent


@flag("finite-difference", source="arXiv:1902.06705, section 5.3")
@dataclass(frozen=True, slots=True)
class FiniteDifference(Flag):
    """How far the gradient is from central differences in random directions; the median over samples."""

    name: ClassVar[str] = "finite-difference"
    threshold: ClassVar[float] = 0.5
    sign: ClassVar[str] = MASKED

    def measure(self, evidence: Observed) -> float | None:
        return evidence.probe.mismatch if evidence.probe else None

    def sentence(self, measured: float) -> str:
        return (
            f"the gradient is not the slope of the distance: it is {percent(measured)} off central differences, as "
            "after rounding, a detached branch or a straight-through gradient"
        )
