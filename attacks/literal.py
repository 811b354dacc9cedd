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
from torch import Tensor
from torch.nn.functional import cross_entropy

from perceptbench.attacks.apgd import L2APGD, LinfAPGD
from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.norms import climb
from perceptbench.attacks.threats.lp import project
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.metrics.base import Anchors


@dataclass(frozen=True)
class OwnOutput(Objective):
    """Move away from the model's own answer at the clean image, regardless of what people preferred.

    The logits are z = (d1, d0), and y = (d1, d0) at the clean image. The loss is the cross-entropy
    -y . log softmax(z): y is used as if it were probabilities, although it need not add up to 1. As a function of the
    margin m = d1 - d0 its slope is (d0 + d1) sigmoid(m) - d1 with the clean d0, d1, which is zero at m = log(d1 / d0).
    So the attack moves towards the flip where the logarithmic mean of the two clean distances is below 1, and away
    from the flip where that mean is above 1.

    The goal is endless: the last image is the result.
    """

    anchors: Anchors
    own: Tensor

    @property
    def endless(self) -> bool:
        return True

    @classmethod
    @torch.no_grad()
    def make(cls, anchors: Anchors, x: Images) -> "OwnOutput":
        """The objective for these clean images (n, 3, h, w); anchors are prepared from (left, right)."""
        return cls(anchors, _logits(anchors, x))

    def loss(self, x: Images) -> PerImage:
        return cross_entropy(_logits(self.anchors, x), self.own, reduction="none")

    def reached(self, loss: PerImage) -> Mask:
        return torch.zeros_like(loss, dtype=torch.bool)

    def select(self, index: Tensor) -> "OwnOutput":
        return OwnOutput(self.anchors.select(index), self.own[index])


def _logits(anchors: Anchors, x: Images) -> Tensor:
    """(n, 2): the distance to the right image, then to the left one; the larger one wins."""
    d0, d1 = anchors.distances(x)
    return torch.stack((d1, d0), dim=1)


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
