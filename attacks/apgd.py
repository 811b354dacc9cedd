"""Auto-PGD (Croce & Hein, ICML 2020, arXiv:2003.01690): steps with momentum, whose size is halved without progress.

With two classes the cross-entropy is softplus(-margin). Its sign, its normalised gradient and every decision of this
algorithm are those of the margin, and the margin does not saturate. So APGD-CE and APGD on the margin are the same
attack; the margin is what runs here.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.norms import climb, each, spread
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.lp import ball_of
from perceptbench.attacks.tracker import Tracker
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, PerImage

_RHO = 0.75
_MOMENTUM = 0.75


def checkpoints(steps: int) -> set[int]:
    """Steps at which the step size is reconsidered: gaps shrink from 22 % to 6 % of the budget.

    Section 3.1 of the paper: p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06), p_1 = 0.22.
    """
    gap, at, found = max(int(0.22 * steps), 1), 0, set()
    while at + gap <= steps:
        at += gap
        found.add(at)
        gap = max(gap - max(int(0.03 * steps), 1), max(int(0.06 * steps), 1))
    return found


@dataclass
class _State:
    """The state of the samples under attack, in one place so that samples can be dropped in one call."""

    x: Images
    current: Tensor
    previous: Tensor
    gradient: Tensor
    best: Tensor
    best_gradient: Tensor
    loss: PerImage
    best_loss: PerImage
    step: PerImage
    rises: PerImage
    best_loss_then: PerImage
    halved_then: Tensor

    @property
    def moving(self) -> tuple[Tensor, ...]:
        """The tensors from which the next candidate is computed."""
        return self.current, self.x, self.previous, self.gradient, self.step

    def select(self, index: Tensor) -> "_State":
        return _State(**{name: value[index] for name, value in vars(self).items()})


@attack("apgd-ce", source="arXiv:2003.01690")
@dataclass(frozen=True)
class APGD(Attack):
    """Auto-PGD in the set of any threat: `steps` steps from one random start, the first of 2 eps."""

    norm: ClassVar[Norm | None] = None
    steps: int = 100

    def __call__(
        self, objective: Objective, x: Images, eps: float, noise: Noise, within: ThreatSet | None = None
    ) -> Tensor:
        within = within or ball_of(self)
        start = within.start(x, eps, noise)
        tracker = Tracker(start)
        loss, gradient = objective.gradient(start)
        state = _start(x, start, loss, gradient, eps)
        reconsider, last = checkpoints(self.steps), 0
        for i in range(1, self.steps + 1):
            done = objective.reached(state.loss)
            if bool(done.any()):
                going = tracker.leave(done, state.current)
                state, objective = state.select(going), objective.select(going)
            if not tracker.active:
                break
            if i - 1 in reconsider:
                _reconsider(state, i - 1 - last)
                last = i - 1
            candidate = each(partial(_candidate, within, eps, i == 1), *state.moving)
            _advance(state, candidate, *objective.gradient(candidate))
        tracker.settle(state.best)
        return tracker.best


def _candidate(
    within: ThreatSet, eps: float, first: bool,
    current: Tensor, x: Images, previous: Tensor, gradient: Tensor, step: PerImage,
) -> Tensor:  # fmt: skip
    """A projected ascent step; after the first step, 3/4 of it plus 1/4 of the previous move."""
    ascent = within.project(climb(current, gradient, step, within.norm), x, eps)
    if first:
        return ascent
    # current + 3/4 (ascent - current) + 1/4 (current - previous), in place.
    ascent.lerp_(current, 1 - _MOMENTUM)
    ascent.add_(current, alpha=1 - _MOMENTUM).sub_(previous, alpha=1 - _MOMENTUM)
    return within.project(ascent, x, eps)


def _start(x: Images, start: Tensor, loss: PerImage, gradient: Tensor, eps: float) -> _State:
    return _State(
        x=x, current=start, previous=start, gradient=gradient,
        best=start, best_gradient=gradient, loss=loss, best_loss=loss,
        step=torch.full_like(loss, 2 * eps), rises=torch.zeros_like(loss),
        best_loss_then=loss, halved_then=torch.ones_like(loss, dtype=torch.bool),
    )  # fmt: skip


def _advance(s: _State, candidate: Tensor, loss: PerImage, gradient: Tensor) -> None:
    """Move to the candidate; count the steps that raised the loss; keep the best point and its gradient."""
    s.rises = s.rises + (loss > s.loss)
    better = loss > s.best_loss
    if bool(better.all()):
        s.best, s.best_gradient = candidate, gradient
    elif bool(better.any()):
        s.best = torch.where(spread(better, candidate), candidate, s.best)
        s.best_gradient = torch.where(spread(better, gradient), gradient, s.best_gradient)
    s.best_loss = torch.maximum(s.best_loss, loss)
    s.previous, s.current, s.gradient, s.loss = s.current, candidate, gradient, loss


def _reconsider(s: _State, gap: int) -> None:
    """Halve the step and return to the best point where too few steps raised the loss, or the best loss stayed."""
    stuck = (s.best_loss <= s.best_loss_then) & ~s.halved_then
    halve = (s.rises < _RHO * gap) | stuck
    s.step = torch.where(halve, s.step / 2, s.step)
    s.current = torch.where(spread(halve, s.best), s.best, s.current)
    s.gradient = torch.where(spread(halve, s.best_gradient), s.best_gradient, s.gradient)
    s.loss = torch.where(halve, s.best_loss, s.loss)
    s.rises = torch.zeros_like(s.rises)
    s.best_loss_then, s.halved_then = s.best_loss, halve


@attack("l2-apgd-ce", source="arXiv:2003.01690")
@dataclass(frozen=True)
class L2APGD(APGD):
    """Auto-PGD in l2: what the paper's l2-AA rows really ran (100 steps, 1 start)."""

    norm: ClassVar[Norm] = "l2"


@attack("linf-apgd-ce", source="arXiv:2003.01690")
@dataclass(frozen=True)
class LinfAPGD(APGD):
    """Auto-PGD in l-infinity: what the paper's linf-AA rows really ran (100 steps, 1 start)."""

    norm: ClassVar[Norm] = "linf"
