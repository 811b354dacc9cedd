"""No gradient: the metric says that it has one and gives none."""

from dataclasses import dataclass
from typing import ClassVar

from perceptbench.attacks.adaptive import MASKED
from perceptbench.bench.flags.base import Flag, Observed, flag


@flag("no-gradient", source="numpy or detach inside a metric")
@dataclass(frozen=True, slots=True)
class NoGradient(Flag):
    """1 where a metric that does not say `differentiable = False` gives distances without a gradient, else 0."""

    name: ClassVar[str] = "no-gradient"
    threshold: ClassVar[float] = 0.5
    sign: ClassVar[str] = MASKED

    def measure(self, evidence: Observed) -> float | None:
        return float(evidence.gradient_missing)

    def sentence(self, measured: float) -> str:
        return (
            "the distances carry no gradient (detach, numpy or no_grad inside), so attacks that need one cannot run; "
            "say differentiable = False, or give one"
        )
