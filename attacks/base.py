"""The seam between attackers' goals and attackers' methods.

An *objective* gives each image a loss that grows towards the attacker's goal; an *attack* raises
it within a budget and knows nothing else: no metric, no triplet, no vote. Any pair composes:

    FlipPreference x APGD           the paper's attack on the 2AFC answer
    FlipPreference x Square         the same goal without gradients
    EmbeddingShift x PGD            the paper's MSE attack
"""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import torch

from perceptbench.core.noise import Noise
from perceptbench.core.registry import Registry
from perceptbench.core.spec import Norm
from perceptbench.core.tensors import Images, Mask, PerImage

Goal = Literal["flip", "embedding"]


class Objective:
    """The attacker's goal for a batch of images."""

    @property
    def endless(self) -> bool:
        """True where more is always better, so that nothing is ever reached."""
        return False

    def loss(self, x: Images) -> PerImage:
        """Larger is closer to success; differentiable in x."""
        raise NotImplementedError

    def reached(self, loss: PerImage) -> Mask:
        """Which of these losses mean success. A goal without an end never says yes."""
        raise NotImplementedError

    def select(self, index: torch.Tensor) -> "Objective":
        """The goal for some of the images."""
        raise NotImplementedError

    def gradient(self, x: Images) -> tuple[PerImage, Images]:
        """Loss and its gradient at x, both detached."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            loss = self.loss(x)
            (gradient,) = torch.autograd.grad(loss.sum(), x)
        # Networks that work channels last give their gradients so: mixed layouts cost every later pass.
        return loss.detach(), gradient.contiguous()

    @torch.no_grad()
    def value(self, x: Images) -> PerImage:
        """Loss alone."""
        return self.loss(x)


@runtime_checkable
class Attack(Protocol):
    """Raises an objective within a budget around x. Fields of the dataclass are its arguments."""

    @property
    def norm(self) -> Norm:
        """Of the budget: fixed by the class, or an argument where a bridge offers both."""
        ...

    @property
    def goal(self) -> Goal:
        """What it raises: the loss of a flip, or the shift of an embedding."""
        ...

    @property
    def minimal(self) -> bool:
        """True where it looks for the smallest flip instead of filling the budget; then one call
        serves every eps."""
        ...

    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        """Perturbed images (n, 3, h, w), the best found for each; the runner judges them again."""
        ...


@runtime_checkable
class Ensemble(Protocol):
    """Several attacks in turn, each on what still stands: `l2-aa`."""

    @property
    def norm(self) -> Norm:
        """Of the budget of every part."""
        ...

    @property
    def goal(self) -> Goal:
        """What every part raises."""
        ...

    def parts(self) -> Sequence[tuple[str, Attack, int]]:
        """(name, attack, number of starts) in the order in which they run."""
        ...


attack: Registry[Attack | Ensemble] = Registry("attack", "perceptbench.attacks")
