"""Changes of an image that is then sent through a channel (`--through`): what arrives is judged.

Sizes are those of what was sent. Any set of changes can be sent. No proof covers what arrives: a codec may move two
images apart that were close.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.around import Around
from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.through.base import Chain
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm, Scalar
from perceptbench.core.tensors import Images, PerImage
from perceptbench.core.threat import Move


@dataclass(frozen=True)
class Sent(ThreatSet):
    """A set of changes before a chain of channels. theta and sizes are those of the set."""

    inner: ThreatSet
    chain: Chain
    proof: ClassVar[Norm | None] = None

    @property
    def norm(self) -> Norm:  # type: ignore[override]
        return self.inner.norm

    @property
    def unit(self) -> str:  # type: ignore[override]
        """eps counts the change before the channel."""
        return self.inner.unit

    @property
    def moves(self) -> tuple[Move, ...]:  # type: ignore[override]
        """One image is sent. Three that are stacked would be one picture to a codec."""
        return tuple(move for move in self.inner.moves if move != "all")

    def start(self, x: Images, eps: float, noise: Noise | None) -> Tensor:
        return self.inner.start(x, eps, noise)

    def apply(self, x: Images, theta: Tensor) -> Images:
        return self.chain.straight(self.inner.apply(x, theta))

    def split(self, source: Any) -> tuple[Any, Sequence[Any]]:
        return self.inner.split(source)

    def learn(
        self, attack: Attack, goals: Sequence[tuple[Objective, Tensor]], budgets: Sequence[float], noise: Noise
    ) -> Mapping[str, Scalar]:
        after = [(AfterChannel(goal, self.chain), x) for goal, x in goals]
        return self.inner.learn(attack, after, budgets, noise)

    def taught(self, state: Mapping[str, Any]) -> "Sent":
        return replace(self, inner=self.inner.taught(state))

    def note(self, state: Mapping[str, Any]) -> str:
        return self.inner.note(state)

    def unchanged(self, x: Images) -> Images:
        return self.chain.arrived(x)

    def project(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        return self.inner.project(theta, x, eps)

    def measure(self, x: Images, theta: Tensor) -> PerImage:
        return self.inner.measure(x, theta)

    def shrink(self, theta: Tensor, x: Images, share: PerImage) -> Tensor:
        return self.inner.shrink(theta, x, share)

    def fit(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        return self.inner.fit(theta, x, eps)

    def anywhere(self, theta: Tensor, x: Images) -> Tensor:
        return self.inner.anywhere(theta, x)

    def serves_all(self, attack: Attack) -> bool:
        return self.inner.serves_all(attack)

    def search(self, attack: Attack, objective: Objective, x: Images, eps: float, noise: Noise) -> Tensor:
        return self.inner.search(attack, AfterChannel(objective, self.chain), x, eps, noise)


@dataclass(frozen=True)
class AfterChannel(Around):
    """Another objective at what arrives of an image.

    The loss is that of the channel itself, so an attack knows when it has succeeded. The gradient is the mean over the
    channel and those near it.
    """

    chain: Chain

    def loss(self, x: Images) -> PerImage:
        if not (torch.is_grad_enabled() and x.requires_grad):
            return self.inner.loss(self.chain.arrived(x))
        own = self.inner.loss(self.chain.straight(x))
        losses = [own, *(self.inner.loss(near.straight(x)) for near in self.chain.near())]
        mean = torch.stack(losses).mean(0)
        return own.detach() + (mean - mean.detach())

    def select(self, index: Tensor) -> "AfterChannel":
        return AfterChannel(self.inner.select(index), self.chain)
