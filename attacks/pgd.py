"""Projected gradient ascent with steps of fixed size (Madry et al., arXiv:1706.06083)."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from perceptbench.attacks.base import Goal, Objective, attack
from perceptbench.attacks.norms import climb, project_, random_start
from perceptbench.attacks.tracker import Tracker
from perceptbench.core.noise import Noise
from perceptbench.core.spec import Norm
from perceptbench.core.tensors import Images


@dataclass(frozen=True)
class PGD:
    """Random start, `steps` steps of `relative_step` * eps; the best iterate is kept.

    Unlike the rows of the paper, which hand the model's own output to the attack and keep the last
    iterate, this one attacks the label (docs/protocol.md).
    """

    norm: ClassVar[Norm]
    goal: ClassVar[Goal] = "flip"
    minimal: ClassVar[bool] = False
    steps: int = 100
    relative_step: float = 0.1

    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        tracker = Tracker(x)
        current = project_(random_start(x, eps, self.norm, noise), x, eps, self.norm)
        for _ in range(self.steps):
            loss, gradient = objective.gradient(current)
            going = tracker.update(objective, current, loss)
            if not tracker.active:
                return tracker.best
            if len(going) < len(current):
                objective, x, current, gradient = objective.select(going), x[going], current[going], gradient[going]
            step = torch.full_like(gradient[:, 0, 0, 0], self.relative_step * eps)
            current = project_(climb(current, gradient, step, self.norm), x, eps, self.norm)
        tracker.update(objective, current, objective.value(current))
        return tracker.best


@attack("l2-pgd", source="arXiv:1706.06083")
@dataclass(frozen=True)
class L2PGD(PGD):
    """Projected gradient ascent in l2 on the preference, best iterate kept."""

    norm: ClassVar[Norm] = "l2"


@attack("linf-pgd", source="arXiv:1706.06083")
@dataclass(frozen=True)
class LinfPGD(PGD):
    """Projected gradient ascent in l-infinity on the preference, best iterate kept."""

    norm: ClassVar[Norm] = "linf"


@attack("l2-mse", source="arXiv:2310.18274, eq. 14")
@dataclass(frozen=True)
class L2MSE(PGD):
    """Moves the embedding away from where it was, in l2: the paper's distance histograms."""

    norm: ClassVar[Norm] = "l2"
    goal: ClassVar[Goal] = "embedding"


@attack("linf-mse", source="arXiv:2310.18274, eq. 14")
@dataclass(frozen=True)
class LinfMSE(PGD):
    """Moves the embedding away from where it was, in l-infinity."""

    norm: ClassVar[Norm] = "linf"
    goal: ClassVar[Goal] = "embedding"
