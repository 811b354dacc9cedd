"""Who is still standing inside an attack, and the best image found for each."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.core.tensors import Images, Mask, PerImage


@dataclass
class Tracker:
    """Keeps the image of the largest loss; what has reached its goal leaves the batch.

    `index` maps the rows still in work to the rows of the batch the attack was given. An attack that
    keeps the best images itself calls `leave` and `settle`, any other one `update`.
    """

    best: Images
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

    def update(self, objective: Objective, x: Images, loss: PerImage) -> Tensor:
        """Note a step: images (m, 3, h, w) of the rows in work and their losses.

        Returns the positions (among those m) that go on; callers select their state by it.
        """
        better = loss > self.best_loss[self.index]
        rows = self.index[better]
        self.best[rows] = x[better]
        self.best_loss[rows] = loss[better]
        going = (~objective.reached(loss)).nonzero().flatten()
        self.index = self.index[going]
        return going

    def leave(self, done: Mask, x: Images) -> Tensor:
        """Keep the images (m, 3, h, w) of rows that are done; the positions of those that go on."""
        self.best[self.index[done]] = x[done]
        going = (~done).nonzero().flatten()
        self.index = self.index[going]
        return going

    def settle(self, x: Images) -> None:
        """Keep these images of the rows still in work."""
        self.best[self.index] = x
