"""The seam between attackers' goals and attackers' methods.

An *objective* gives each image a loss that grows towards the attacker's goal; an *attack* raises
it within a budget and knows nothing else: no metric, no sample, no answer of people. Any pair composes:

    FlipPreference x APGD           the paper's attack on the 2AFC answer
    FlipPreference x Square         the same goal without gradients
    EmbeddingShift x PGD            the paper's MSE attack
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from perceptbench.core.registry import Registry
from perceptbench.core.spec import Norm
from perceptbench.core.tensors import Mask, PerImage


class Objective:
    """The attacker's goal for a batch of images."""

    @property
    def endless(self) -> bool:
        """True where more is always better, so that nothing is ever reached."""
        return False

    def loss(self, x: Tensor) -> PerImage:
        """Larger is closer to success; differentiable in x: images, or the theta of a threat (threats/base.py)."""
        raise NotImplementedError

    def reached(self, loss: PerImage) -> Mask:
        """Which of these losses mean success. A goal without an end never says yes."""
        raise NotImplementedError

    def select(self, index: torch.Tensor) -> "Objective":
        """The goal for some of the images."""
        raise NotImplementedError

    def gradient(self, x: Tensor) -> tuple[PerImage, Tensor]:
        """Loss and its gradient at x, both detached."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            loss = self.loss(x)
            (gradient,) = torch.autograd.grad(loss.sum(), x)
        # Networks that work channels last give their gradients so: mixed layouts cost every later pass.
        return loss.detach(), gradient.contiguous()

    @torch.no_grad()
    def value(self, x: Tensor) -> PerImage:
        """Loss alone."""
        return self.loss(x)


class Attack:
    """Raises an objective within a budget. Subclasses are dataclasses whose fields are the arguments users type.

    The class attributes say what it can do; the runner, the tasks and the checks before a run read nothing else.
    """

    norm: ClassVar[Norm | None]
    """Of the ball it works in; None where it works in every threat's set. Each attack states it."""
    by_embedding: ClassVar[bool] = False
    """Whether it moves the metric's embedding (LipSim, eq. 14) rather than a distance or an answer."""
    minimal: ClassVar[bool] = False
    """Whether it looks for the smallest success instead of filling the budget; then one call serves every eps."""
    flips_only: ClassVar[bool] = False
    """Whether it needs a goal that is reached at some point, and cannot raise a loss without end."""
    random: ClassVar[bool] = True
    """Whether it draws at random, so that another start may find more."""
    needs_gradient: ClassVar[bool] = True
    """Whether it asks for the gradient of the metric, and not for distances alone."""
    literal: ClassVar[bool] = False
    """Whether the image it returns is the result for better or worse, as under `--protocol paper`."""

    __call__: Callable[..., Tensor]
    """(objective, x, eps, noise) or (objective, x, eps, noise, within) -> the best theta found for each image.

    The runner judges it again. `objective` is a loss of theta, in an lp ball of the image (n, 3, h, w) itself; `x`
    are clean images (n, 3, h, w) in [0, 1]; `eps` is the budget in the unit of the threat; `noise` is one source of
    random numbers a sample; `within` is the set to stay in, given to attacks that have no norm of their own.
    """


@runtime_checkable
class Ensemble(Protocol):
    """Several attacks in turn, each on what still stands: `l2-aa`."""

    @property
    def norm(self) -> Norm:
        """Of the budget of every part."""
        ...

    def parts(self) -> Sequence[tuple[str, Attack, int]]:
        """(name, attack, number of starts) in the order in which they run."""
        ...


attack: Registry[Attack | Ensemble] = Registry("attack", "perceptbench.attacks")
