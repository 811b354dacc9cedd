"""An objective around another one, which it passes on but for what its subclass changes."""

from dataclasses import dataclass

from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.core.tensors import Mask, PerImage
from perceptbench.metrics.base import Metric


@dataclass(frozen=True)
class Around(Objective):
    """An objective with the losses, the goal and the surrogate of another one.

    Subclasses change one of these, or watch, and select with themselves.

    Args:
        inner: the other objective.
    """

    inner: Objective

    @property
    def endless(self) -> bool:
        return self.inner.endless

    @property
    def surrogate(self) -> Metric | None:
        return self.inner.surrogate

    def loss(self, x: Tensor) -> PerImage:
        return self.inner.loss(x)

    def reached(self, loss: PerImage) -> Mask:
        return self.inner.reached(loss)
