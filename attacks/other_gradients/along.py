"""Any attack, along another gradient than that of its objective."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images


@dataclass(frozen=True)
class OtherGradient:
    """Makes the objective that an attack sees of the one it is given. Subclasses are one a file."""

    needs_gradient: ClassVar[bool] = True
    """Whether it asks for gradients of the objective, and not for losses alone."""

    def seen(self, objective: Objective, eps: float, norm: Norm, noise: Noise) -> Objective:
        """The objective with other gradients.

        Args:
            eps, norm: the budget, and the norm of theta in which a step is steepest.
            noise: one source for each sample.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Along(Attack):
    """What `inner` finds along the gradients that `by` gives."""

    inner: Attack
    by: OtherGradient

    @property
    def norm(self) -> Norm | None:  # type: ignore[override]
        """That of the attack."""
        return self.inner.norm

    @property
    def minimal(self) -> bool:  # type: ignore[override]
        """As the attack."""
        return self.inner.minimal

    @property
    def flips_only(self) -> bool:  # type: ignore[override]
        """As the attack."""
        return self.inner.flips_only

    @property
    def needs_gradient(self) -> bool:  # type: ignore[override]
        """As the gradients that are followed."""
        return self.by.needs_gradient

    def __call__(
        self, objective: Objective, x: Images, eps: float, noise: Noise, within: ThreatSet | None = None
    ) -> Tensor:
        norm = within.norm if within is not None else self.inner.norm or "l2"
        seen = self.by.seen(objective, eps, norm, noise.stream("other gradient"))
        return self.inner(seen, x, eps, noise) if within is None else self.inner(seen, x, eps, noise, within)
