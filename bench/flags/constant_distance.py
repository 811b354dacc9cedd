"""Range: the distance is constant or saturated, as where a metric expects images of another range."""

from dataclasses import dataclass
from typing import ClassVar

from perceptbench.bench.flags.base import Flag, Observed, flag, percent


@flag("range", source="images in [0, 1] given to a metric for [0, 255] or [-1, 1]")
@dataclass(frozen=True, slots=True)
class ConstantDistance(Flag):
    """The share of samples that have the same loss as another one, the commonest."""

    name: ClassVar[str] = "range"
    threshold: ClassVar[float] = 0.5
    marks: ClassVar[tuple[str, ...]] = ("natural", "attack", "certificate")

    def measure(self, evidence: Observed) -> float | None:
        return evidence.probe.constant if evidence.probe else None

    def sentence(self, measured: float) -> str:
        return (
            f"{percent(measured)} of the samples have the very same loss: distances are constant or saturated for "
            "images in [0, 1]; does the metric expect another range?"
        )
