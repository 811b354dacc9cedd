"""Random output: two equal calls give different distances."""

from dataclasses import dataclass
from typing import ClassVar

from perceptbench.attacks.adaptive import RANDOM
from perceptbench.bench.flags.base import Flag, Observed, flag, percent


@flag("random-output", source="arXiv:1802.00420, section 3")
@dataclass(frozen=True, slots=True)
class RandomOutput(Flag):
    """How far the losses of two equal calls differ, as a share of the largest loss. A metric may say that it draws."""

    name: ClassVar[str] = "random-output"
    threshold: ClassVar[float] = 1e-3
    sign: ClassVar[str] = RANDOM
    marks: ClassVar[tuple[str, ...]] = ("natural", "attack", "certificate")

    def measure(self, evidence: Observed) -> float | None:
        return evidence.probe.unrepeatable if evidence.probe else None

    def sentence(self, measured: float) -> str:
        return (
            f"two equal calls differ by {percent(measured)} of the largest loss, and the metric does not say that "
            "it is stochastic"
        )
