"""The seam between what an attacker wants and how the attacker searches.

An *objective* gives each image a loss, which is larger the nearer the attacker is to the goal. An *attack* raises that
loss within a budget. It knows nothing else: no metric, no triplet, no label. Every pair composes:

    FlipPreference x APGD           the paper's attack on the 2AFC answer
    FlipPreference x Square         the same goal without gradients
    EmbeddingShift x PGD            the paper's MSE attack
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Norm
from perceptbench.core.registry import Registry
from perceptbench.core.tensors import Mask, PerImage
from perceptbench.metrics.base import Metric


class Objective:
    """The attacker's goal for a batch of images."""

    @property
    def endless(self) -> bool:
        """Whether a larger loss is always better, so that the goal is never reached."""
        return False

    @property
    def surrogate(self) -> Metric | None:
        """The differentiable metric whose gradient is followed, where that of the run has none (attacks/guided.py)."""
        return None

    def loss(self, x: Tensor) -> PerImage:
        """Larger is closer to success; differentiable in x: images, or the theta of a threat (threats/base.py)."""
        raise NotImplementedError

    def reached(self, loss: PerImage) -> Mask:
        """Which of these losses (n,) mean success; none of them for an endless goal."""
        raise NotImplementedError

    def select(self, index: torch.Tensor) -> "Objective":
        """The goal for some of the images."""
        raise NotImplementedError

    def gradient(self, x: Tensor) -> tuple[PerImage, Tensor]:
        """Loss (n,) and its gradient at x, shaped as x; both detached."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            loss = self.loss(x)
            (gradient,) = torch.autograd.grad(loss.sum(), x)
        # Networks that compute with channels last also give such gradients; mixed memory layouts slow every later pass.
        return loss.detach(), finite(gradient.contiguous(), "gradient")

    @torch.no_grad()
    def value(self, x: Tensor) -> PerImage:
        """Loss (n,) without a gradient."""
        return self.loss(x)


def finite(values: Tensor, what: str) -> Tensor:
    """The values themselves. Raises UserError for NaN or infinity, which would make the metric look robust."""
    # The sum is one cheap pass, and it is finite only where every term is.
    if not bool(values.sum().isfinite()) and not bool(values.isfinite().all()):
        raise UserError(f"the metric gave a {what} that is not finite at a perturbed image; correct the metric first")
    return values


class Attack:
    """Raises an objective within a budget. Subclasses are dataclasses whose fields are the arguments users type.

    The class attributes say what it can do. The runner, the tasks and the checks before a run read nothing else.
    """

    norm: ClassVar[Norm | None]
    """The norm of the ball it works in; None where it works in the set of any threat. Each attack states it."""
    by_embedding: ClassVar[bool] = False
    """Whether it moves the metric's embedding (LipSim, eq. 14) rather than a distance or an answer."""
    minimal: ClassVar[bool] = False
    """Whether it searches for the smallest success, and not for any within eps; then one call serves every eps."""
    flips_only: ClassVar[bool] = False
    """Whether it needs a goal that can be reached; it cannot serve an endless one."""
    random: ClassVar[bool] = True
    """Whether it draws random numbers, so that another start may find more."""
    needs_gradient: ClassVar[bool] = True
    """Whether it needs the gradient of the metric, and not distances alone."""
    solves: ClassVar[type[Metric] | None] = None
    """The kind of surrogate that it solves, where it can attack no other metrics."""
    literal: ClassVar[bool] = False
    """Whether the image it returns is the result even where an earlier image was better (`--protocol paper`)."""

    __call__: Callable[..., Tensor]
    """(objective, x, eps, noise) or (objective, x, eps, noise, within) -> the best theta found for each image.

    The runner judges it again. `objective` is a loss of theta; in an lp ball theta is the image (n, 3, h, w) itself.
    `x` are clean images (n, 3, h, w) in [0, 1]. `eps` is the budget in the unit of the threat. `noise` is one source of
    random numbers for each sample. `within` is the set to stay in; only attacks without a norm of their own get it.
    """


@runtime_checkable
class Ensemble(Protocol):
    """Several attacks in turn, each on the samples that are not broken yet: `l2-aa`."""

    @property
    def norm(self) -> Norm:
        """The norm in which every part works."""
        ...

    def parts(self) -> Sequence[tuple[str, Attack, int]]:
        """(name, attack, number of starts) in the order in which they run."""
        ...


attack: Registry[Attack | Ensemble] = Registry("attack", "perceptbench.attacks", of=(Attack, Ensemble))
