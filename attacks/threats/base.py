"""The seam between what an attacker may change and how the attacker searches for a change.

A *threat set* says what a change is: a tensor theta for each image, and what theta does to the image. An attack that
only starts, steps and projects works in every set. Three compositions:

    Ball("l2") x PGD          theta is the image itself: l2-pgd
    Ball("linf") x APGD       the same with other steps: linf-apgd-ce
    a shift x PGD             theta is a displacement in pixels: pgd --threat shift
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.norms import spread
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm, Scalar
from perceptbench.core.registry import Registry
from perceptbench.core.tensors import Images, PerImage
from perceptbench.core.threat import Move
from perceptbench.metrics.asked import THREAT, watch

_SHRINK = 1 - 1e-6
_TRIES = 6


class ThreatSet:
    """Changes of an image, by size. Subclasses are registered with `@threat(name)`; fields are their arguments.

    theta has a row an image and any further shape. The sets of two sizes are nested: what is in the set of eps is in
    that of every larger eps.
    """

    norm: Norm = "l2"
    """The norm of theta in which a step is steepest."""
    proof: ClassVar[Norm | None] = None
    """The lp norm whose certified radius covers this set, since a change of size s has at most that norm s. None where
    none does; a certificate may then cover it by `l2_bound`."""
    unit: str
    """What eps counts, for tables and axes: `pixels`."""
    pixels: ClassVar[bool] = False
    """Whether theta is the attacked image itself. Otherwise only attacks that work in every set can be used."""
    moves: ClassVar[tuple[Move, ...]] = ("reference", "left", "right")
    """Which images it can change. `all` stacks three images as one, which is possible for pixelwise changes only."""

    def __init_subclass__(cls, **words: Any) -> None:
        """What somebody's class computes is watched, wherever it is asked."""
        super().__init_subclass__(**words)
        watch(cls, "threat", THREAT)

    def start(self, x: Images, eps: float, noise: Noise | None) -> Tensor:
        """A random theta (n, ...) within eps; without noise the theta that changes nothing."""
        raise NotImplementedError

    def apply(self, x: Images, theta: Tensor) -> Images:
        """The changed images (n, 3, h, w) in [0, 1]; differentiable in theta."""
        raise NotImplementedError

    def project(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        """Into the set of eps around x. It may write into theta."""
        raise NotImplementedError

    def measure(self, x: Images, theta: Tensor) -> PerImage:
        """The size (n,) of each change in float64: the smallest eps whose set holds it. This value is reported."""
        raise NotImplementedError

    def shrink(self, theta: Tensor, x: Images, share: PerImage) -> Tensor:
        """Each change scaled by its share (n,): 1 keeps it, 0 gives no change."""
        raise NotImplementedError

    def l2_bound(self, x: Images, eps: PerImage) -> PerImage:
        """A bound (n,) of the l2 norm of every change of x within eps, for a set whose bound depends on the image.

        Args:
            eps: one size for each image.

        It must not fall with eps. A set that gives it is covered by certificates in l2 (threats/proved.py), and has no
        `proof`. Raises UserError where the set has no such bound.
        """
        raise UserError(f"no l2 norm bounds the changes of {type(self).__name__}")

    @property
    def bounded(self) -> bool:
        """Whether this set has an l2 bound that depends on the image."""
        return type(self).l2_bound is not ThreatSet.l2_bound

    @property
    def provable(self) -> bool:
        """Whether a certificate can cover this set."""
        return self.proof is not None or self.bounded

    def unchanged(self, x: Images) -> Images:
        """What is judged of images that nobody changes: the images themselves, unless something happens to all."""
        return x

    def split(self, source: Any) -> tuple[Any, Sequence[Any]]:
        """The data that is judged, and the samples that the set itself is fitted on: all of it, and none.

        The choice depends on the data alone. Raises UserError where one of the two is empty.
        """
        return source, ()

    def learn(
        self, attack: Attack, goals: Sequence[tuple[Objective, Tensor]], budgets: Sequence[float], noise: Noise
    ) -> Mapping[str, Scalar]:
        """What is fitted once a run, by what an attack finds; it is stored, so that a resumed run does not fit again.

        Args:
            goals: batches of the samples that it is fitted on, each with its images.
            noise: one source.
        """
        return {}

    def taught(self, state: Mapping[str, Any]) -> "ThreatSet":
        """The same set with what `learn` gave."""
        return self

    def note(self, state: Mapping[str, Any]) -> str:
        """What must be said with every score, such as what the set was fitted on; '' for nothing."""
        return ""

    def fit(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        """theta projected and then shrunk until its *measured* size is within eps."""
        theta = self.project(theta.clone(), x, eps)
        for _ in range(_TRIES):
            measured = self.measure(x, theta)
            outside = measured > eps
            if not bool(outside.any()):
                break
            share = torch.where(outside, eps * _SHRINK / measured, 1.0).to(x.dtype)
            theta = torch.where(spread(outside, theta), self.shrink(theta, x, share), theta)
        return theta

    def anywhere(self, theta: Tensor, x: Images) -> Tensor:
        """theta of any size as a valid change. Needed only by attacks that look for the smallest change.

        Raises UserError where the set has no such attacks.
        """
        raise UserError(f"{type(self).__name__} has no smallest change to look for; use an attack such as pgd")

    def serves_all(self, attack: Attack) -> bool:
        """Whether one call of this attack answers for every eps."""
        return False

    def search(self, attack: Attack, objective: Objective, x: Images, eps: float, noise: Noise) -> Tensor:
        """The theta (n, ...) that an attack finds around x."""
        return attack(InSet(objective, self, x), x, eps, noise, self)


@dataclass(frozen=True)
class InSet(Objective):
    """An objective of images as an objective of theta."""

    inner: Objective
    threat: ThreatSet
    x: Images

    @property
    def endless(self) -> bool:
        return self.inner.endless

    def loss(self, x: Tensor) -> PerImage:
        return self.inner.loss(self.threat.apply(self.x, x))

    def reached(self, loss: PerImage) -> Tensor:
        return self.inner.reached(loss)

    def select(self, index: Tensor) -> "InSet":
        return InSet(self.inner.select(index), self.threat, self.x[index])


threat: Registry[ThreatSet] = Registry("threat", "perceptbench.attacks.threats", of=ThreatSet)
