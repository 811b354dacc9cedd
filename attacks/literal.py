"""The attacks as the public code of the LipSim paper ran them (`--protocol paper`): for comparison only.

Facts taken from github.com/SaraGhazanfari/lipsim and from advertorch, whose PGD it calls:

- PGD on the preference: untargeted, random start, clipped to [0, 1], no best iterate kept; l2 takes 1000
  steps of 0.01, linf 50 steps of 0.01 per pixel. The target is the model's own output.
- PGD on the embedding: the same l2 attack on the mean squared error (eq. 14 of the paper), l2 alone.
- "AutoAttack": its first part alone, APGD-CE on the label, 100 steps and 1 start.

PGD attacks every triplet, also those that are answered wrongly; it may turn a wrong answer into the right one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch

from perceptbench.attacks.apgd import L2APGD, LinfAPGD
from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.norms import climb
from perceptbench.attacks.threats.lp import project
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images


@dataclass(frozen=True)
class LiteralPGD(Attack):
    """Steps of an absolute size, in pixel units. The last iterate is the result."""

    norm: ClassVar[Norm]
    literal: ClassVar[bool] = True
    steps: int
    step_size: float = 0.01

    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        current = self._start(x, eps, noise)
        step = torch.full_like(x[:, 0, 0, 0], self.step_size)
        for _ in range(self.steps):
            _, gradient = objective.gradient(current)
            # First into [0, 1], then into the ball, as in the original; the other order gives other images.
            current = project(climb(current, gradient, step, self.norm).clamp_(0, 1), x, eps, self.norm)
        return current

    def _start(self, x: Images, eps: float, noise: Noise) -> Images:
        """linf: uniform in the ball. l2: an image of uniform noise, projected into the ball around x."""
        draw = noise.uniform(x)
        return project(draw if self.norm == "l2" else x + eps * (2 * draw - 1), x, eps, self.norm)


@dataclass(frozen=True)
class LiteralL2PGD(LiteralPGD):
    """PGD in l2 as the paper's code ran it on triplets."""

    norm: ClassVar[Norm] = "l2"
    steps: int = 1000


@dataclass(frozen=True)
class LiteralLinfPGD(LiteralPGD):
    """PGD in l-infinity as the paper's code ran it on triplets."""

    norm: ClassVar[Norm] = "linf"
    steps: int = 50


@dataclass(frozen=True)
class LiteralL2MSE(LiteralL2PGD):
    """PGD in l2 as the paper's code ran it on embeddings."""

    by_embedding: ClassVar[bool] = True


_VARIANTS: dict[str, Callable[[], Attack]] = {
    "l2-pgd": LiteralL2PGD, "linf-pgd": LiteralLinfPGD, "l2-mse": LiteralL2MSE,
    "l2-aa": L2APGD, "linf-aa": LinfAPGD, "l2-apgd-ce": L2APGD, "linf-apgd-ce": LinfAPGD,
}  # fmt: skip


def literal(name: str) -> Attack:
    """The attack that the paper's code ran under this registered name.

    Attacks with `literal = True` keep the last iterate, also attack wrong answers, and need `OwnOutput` to attack the
    preference. The others attack the label, as the attacks of our own protocol do.

    Raises UserError for a name that is not in the paper.
    """
    if name not in _VARIANTS:
        known = ", ".join(sorted(_VARIANTS))
        raise UserError(f"--protocol paper has no attack {name!r}; it has: {known}")
    return _VARIANTS[name]()
