"""What an attack costs: passes through the metric, sample by sample; and a refusal of what is no number."""

from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Mask, PerImage


@dataclass(frozen=True)
class Tally:
    """Passes of each sample, so that a cost can be stated beside a score."""

    forwards: PerImage
    backwards: PerImage

    @classmethod
    def zeros(cls, n: int) -> "Tally":
        """Nothing counted yet."""
        return cls(torch.zeros(n), torch.zeros(n))


@dataclass(frozen=True)
class Counted(Objective):
    """An objective that counts who was evaluated."""

    inner: Objective
    tally: Tally
    index: Tensor

    @property
    def endless(self) -> bool:
        return self.inner.endless

    def loss(self, x: Tensor) -> PerImage:
        self.tally.forwards[self.index] += 1
        loss = _finite(self.inner.loss(x), "distance")
        if loss.requires_grad:
            # Here, and not in `gradient`, so that passes through an objective around this one count too.
            loss.register_hook(self._backwards)
        return loss

    def _backwards(self, _: Tensor) -> None:
        self.tally.backwards[self.index] += 1

    def gradient(self, x: Tensor) -> tuple[PerImage, Tensor]:
        loss, gradient = super().gradient(x)
        return loss, _finite(gradient, "gradient")

    def reached(self, loss: PerImage) -> Mask:
        return self.inner.reached(loss)

    def select(self, index: Tensor) -> "Counted":
        return Counted(self.inner.select(index), self.tally, self.index[index.cpu()])


def _finite(values: Tensor, what: str) -> Tensor:
    """Refuse NaN and infinity: an attack would take them for robustness."""
    # The sum first: one pass, and finite only where every term is.
    if not bool(values.sum().isfinite()) and not bool(values.isfinite().all()):
        raise UserError(
            f"the metric gave a {what} that is not finite at a perturbed image; mend it before it is judged"
        )
    return values
