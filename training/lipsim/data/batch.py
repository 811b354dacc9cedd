"""What a step learns from: the contract between the data sets, the losses and the loop."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """What one process sees in one step.

    Args:
        kind: "order", images to be ordered as a teacher orders them, or "triplets", with a known answer.
        images: floats in [0, 1]. "order": (n, 3, s, s), this process's rows. "triplets": (3 m, 3, s, s), its
            references, then its lefts, then its rights.
        target: "order": the teacher's similarities (N, N) of the whole batch, rows in the order of ranks.
            "triplets": (m,), +1 where the right image is preferred, else -1.
    """

    kind: str
    images: Tensor
    target: Tensor

    def to(self, device: torch.device) -> "TrainingBatch":
        """The same batch on a device."""
        images, target = (tensor.to(device, non_blocking=True) for tensor in (self.images, self.target))
        return TrainingBatch(self.kind, images, target)

    def pin_memory(self) -> "TrainingBatch":
        """The same batch where a GPU reads it fast; DataLoader asks for it."""
        return TrainingBatch(self.kind, self.images.pin_memory(), self.target.pin_memory())


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of every batch is this process's: part `rank` of `world` parts of one size."""

    rank: int = 0
    world: int = 1


class Batches(Protocol):
    """A map-style data set for `DataLoader(batch_size=None, sampler=range(start, steps))`.

    A batch is a function of the seed, the stage and the step alone, so that resuming, prefetching and
    several processes agree with no state of a generator saved.
    """

    def __getitem__(self, step: int) -> TrainingBatch: ...
