"""Projected gradient ascent with steps of fixed size (Madry et al., arXiv:1706.06083)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.norms import climb
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.lp import ball_of
from perceptbench.attacks.tracker import Tracker
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images


@attack("pgd", source="arXiv:1706.06083")
@dataclass(frozen=True)
class PGD(Attack):
    """Projected gradient ascent in the set of any threat, best iterate kept.

    A random start, then `steps` steps of `relative_step` * eps. It attacks the label; the PGD of the paper attacks the
    model's own output and keeps the last iterate (docs/protocol.md).
    """

    norm: ClassVar[Norm | None] = None
    steps: int = 100
    relative_step: float = 0.1

    def __call__(
        self, objective: Objective, x: Images, eps: float, noise: Noise, within: ThreatSet | None = None
    ) -> Tensor:
        within = within or ball_of(self)
        current = within.project(within.start(x, eps, noise), x, eps)
        tracker = Tracker(current)
        for _ in range(self.steps):
            loss, gradient = objective.gradient(current)
            going = tracker.update(objective, current, loss)
            if not tracker.active:
                return tracker.best
            if len(going) < len(current):
                objective, x, current, gradient = objective.select(going), x[going], current[going], gradient[going]
            step = torch.full_like(loss[going], self.relative_step * eps)
            current = within.project(climb(current, gradient, step, within.norm), x, eps)
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


@attack("mse", source="arXiv:2310.18274, eq. 14")
@dataclass(frozen=True)
class MSE(PGD):
    """Moves the embedding away from where it was, in the set of any threat."""

    by_embedding: ClassVar[bool] = True


@attack("l2-mse", source="arXiv:2310.18274, eq. 14")
@dataclass(frozen=True)
class L2MSE(MSE):
    """Moves the embedding away from where it was, in l2: the paper's distance histograms."""

    norm: ClassVar[Norm] = "l2"


@attack("linf-mse", source="arXiv:2310.18274, eq. 14")
@dataclass(frozen=True)
class LinfMSE(MSE):
    """Moves the embedding away from where it was, in l-infinity."""

    norm: ClassVar[Norm] = "linf"
