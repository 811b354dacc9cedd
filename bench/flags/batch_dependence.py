"""Batch: the distance of a pair depends on the other pairs of its batch."""

from dataclasses import dataclass
from typing import ClassVar

from perceptbench.bench.flags.base import Flag, Observed, flag, percent


@flag("batch", source="torch.nn.BatchNorm2d in training mode is the usual cause")
@dataclass(frozen=True, slots=True)
class BatchDependence(Flag):
    """How far the losses of single images differ from those of a batch, as a share of the largest loss."""

    name: ClassVar[str] = "batch"
    threshold: ClassVar[float] = 0.01
    marks: ClassVar[tuple[str, ...]] = ("natural", "attack", "certificate")

    def measure(self, evidence: Observed) -> float | None:
        return evidence.probe.batched if evidence.probe else None

    def sentence(self, measured: float) -> str:
        return (
            f"the distance of a pair depends on the rest of its batch, by {percent(measured)} of the largest loss: "
            "batch normalisation in training mode?"
        )
