"""Who is still standing inside an attack, and the best theta found for each."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.core.tensors import Mask, PerImage


@dataclass
class Tracker:
    """Keeps the theta of the largest loss; what has reached its goal leaves the batch.

    `index` maps the rows still in work to the rows of the batch the attack was given. An attack that
    keeps the best itself calls `leave` and `settle`, any other one `update`.
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
        """Whether anything is left to do."""
        return len(self.index) > 0

    def update(self, objective: Objective, x: Tensor, loss: PerImage) -> Tensor:
        """Note a step: thetas (m, ...) of the rows in work and their losses.

        Returns the positions (among those m) that go on; callers select their state by it.
        """
        better = loss > self.best_loss[self.index]
        rows = self.index[better]
        self.best[rows] = x[better]
        self.best_loss[rows] = loss[better]
        going = (~objective.reached(loss)).nonzero().flatten()
        self.index = self.index[going]
        return going

    def leave(self, done: Mask, x: Tensor) -> Tensor:
        """Keep the thetas (m, ...) of rows that are done; the positions of those that go on."""
        self.best[self.index[done]] = x[done]
        going = (~done).nonzero().flatten()
        self.index = self.index[going]
        return going

    def settle(self, x: Tensor) -> None:
        """Keep these thetas of the rows still in work."""
        self.best[self.index] = x
