"""Inside an attack: which samples have not reached the goal yet, and the best theta of each sample."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.core.tensors import Mask, PerImage


@dataclass
class Tracker:
    """Keeps the theta of the largest loss. Samples that have reached the goal leave the batch.

    `index` holds the rows, in the batch that the attack was given, of the samples that are left. An attack that keeps
    its best theta itself calls `leave` and `settle`; any other attack calls `update`.
    """

    best: Tensor
    best_loss: PerImage = field(init=False)
    index: Tensor = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.best)
        self.best = self.best.clone()
        self.best_loss = torch.full((n,), -torch.inf, device=self.best.device)
        self.index = torch.arange(n, device=self.best.device)

    @property
    def active(self) -> bool:
        """Whether any sample is left."""
        return len(self.index) > 0

    def update(self, objective: Objective, x: Tensor, loss: PerImage) -> Tensor:
        """Note a step: thetas (m, ...) of the m samples that are left, and their losses (m,).

        Returns the positions among these m that go on; callers select their own state by them.
        """
        better = loss > self.best_loss[self.index]
        rows = self.index[better]
        self.best[rows] = x[better]
        self.best_loss[rows] = loss[better]
        going = (~objective.reached(loss)).nonzero().flatten()
        self.index = self.index[going]
        return going

    def leave(self, done: Mask, x: Tensor) -> Tensor:
        """Keep the thetas (m, ...) of the samples that are done. Returns the positions of those that go on."""
        self.best[self.index[done]] = x[done]
        going = (~done).nonzero().flatten()
        self.index = self.index[going]
        return going

    def settle(self, x: Tensor) -> None:
        """Keep these thetas of the samples that are left."""
        self.best[self.index] = x
