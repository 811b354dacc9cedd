"""Gradients that go straight through steps: backward pass differentiable approximation (arXiv:1802.00420, section 4.1).

Rounding and clamping have the right value and a slope of zero. Here the identity takes the place of that slope, and the
value stays. It is done wherever torch is asked for such an operation while the loss is computed, so a metric need not
know of it. What a metric does outside of torch, or cuts off from gradients, stays without any.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from perceptbench.attacks.around import Around
from perceptbench.attacks.base import Objective
from perceptbench.attacks.other_gradients.along import OtherGradient
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import PerImage

_NAMES = ("round", "floor", "ceil", "trunc", "fix", "sign", "clamp", "clip", "clamp_min", "clamp_max")
_STEPS = {getattr(torch, name) for name in _NAMES} | {getattr(Tensor, name) for name in _NAMES}
_IN_PLACE = {
    getattr(Tensor, f"{name}_"): getattr(Tensor, name) for name in _NAMES
} | {getattr(torch, f"{name}_"): getattr(torch, name) for name in _NAMES if hasattr(torch, f"{name}_")}  # fmt: skip
_FLOOR_DIVISIONS = {torch.floor_divide, Tensor.floor_divide, Tensor.__floordiv__}


@dataclass(frozen=True)
class StraightThrough(OtherGradient):
    """The identity in place of the slope of round, floor, ceil, trunc, sign, clamp and floor division."""

    def seen(self, objective: Objective, eps: float, norm: Norm, noise: Noise) -> Objective:
        return PastSteps(objective)


@dataclass(frozen=True)
class PastSteps(Around):
    """An objective whose gradient does not see steps."""

    def loss(self, x: Tensor) -> PerImage:
        with _Steps():
            return self.inner.loss(x)

    def select(self, index: Tensor) -> "PastSteps":
        return PastSteps(self.inner.select(index))


class _Passed(torch.autograd.Function):
    """The second argument; its gradient goes to the first one."""

    @staticmethod
    def forward(ctx: Any, _: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *upper: Tensor) -> tuple[Tensor, None]:
        return upper[0], None


class _Steps(TorchFunctionMode):
    """While it is entered, steps let gradients pass. Inside of a handler it does not act."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        words = dict(kwargs or {})
        first = args[0] if args else None
        if not (torch.is_grad_enabled() and isinstance(first, Tensor) and first.requires_grad):
            return func(*args, **words)
        if func in _STEPS and "out" not in words:
            return _through(first, func, args, words)
        if func in _IN_PLACE:
            return first.copy_(_through(first.clone(), _IN_PLACE[func], args, words))
        if func in _FLOOR_DIVISIONS:
            return _through(first / args[1], func, args, words)
        return func(*args, **words)


def _through(before: Tensor, func: Callable[..., Any], args: tuple[Any, ...], words: Mapping[str, Any]) -> Any:
    """The value of an operation, with the gradient of what was before it. Bounds of another shape keep their slope."""
    with torch.no_grad():
        value = func(*args, **words)
    if value.shape != before.shape:
        return func(*args, **words)
    return _Passed.apply(before, value)
