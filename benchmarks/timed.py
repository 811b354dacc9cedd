"""Objectives that measure: time inside the metric, and time from step to step."""

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.machine import wait
from perceptbench.attacks.base import Objective
from perceptbench.core.tensors import Images, Mask, PerImage


@dataclass
class Meter:
    """Seconds spent in the metric's forward and backward."""

    seconds: float = 0.0
    since: float = 0.0

    def start(self) -> None:
        """A pass begins."""
        wait()
        self.since = time.perf_counter()

    def stop(self) -> None:
        """It has ended."""
        wait()
        self.seconds += time.perf_counter() - self.since


class _Edge(torch.autograd.Function):
    """The identity; calls `action` when the backward pass comes through."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, action: Any) -> Tensor:
        ctx.action = action
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *upper: Tensor) -> tuple[Tensor, None]:
        ctx.action()
        return upper[0], None


@dataclass(frozen=True)
class Timed(Objective):
    """Another objective, its passes timed at the edges of its graph: loss in, image out.

    However an attack asks for gradients, the clock runs from the loss back to the image and no longer.
    """

    inner: Objective
    meter: Meter
    stands: bool = False
    """True: nothing counts as reached, so that a batch stays as large as it is."""

    def loss(self, x: Images) -> PerImage:
        self.meter.start()
        if not (torch.is_grad_enabled() and x.requires_grad):
            loss = self.inner.loss(x)
            self.meter.stop()
            return loss
        loss = self.inner.loss(_Edge.apply(x, self.meter.stop))
        self.meter.stop()
        return _Edge.apply(loss, self.meter.start)  # type: ignore[no-any-return]

    def reached(self, loss: PerImage) -> Mask:
        return torch.zeros_like(loss, dtype=torch.bool) if self.stands else self.inner.reached(loss)

    def select(self, index: Tensor) -> "Timed":
        return Timed(self.inner.select(index), self.meter, self.stands)


class Enough(Exception):
    """As many steps as were wanted."""


@dataclass
class Laps:
    """Seconds from one gradient to the next; ends the attack, by `Enough`, when it has `wanted` of them."""

    wanted: int
    at: list[float] = field(default_factory=list)

    def tick(self) -> None:
        """A pass begins; only those with a gradient count."""
        if not torch.is_grad_enabled():
            return
        wait()
        self.at.append(time.perf_counter())
        if len(self.at) > self.wanted:
            raise Enough

    @property
    def seconds(self) -> list[float]:
        """Of every step."""
        return [after - before for before, after in zip(self.at, self.at[1:], strict=False)]


@dataclass(frozen=True)
class Paced(Objective):
    """Another objective, its steps timed; nobody leaves, so that all steps are of one size."""

    inner: Objective
    laps: Laps

    def loss(self, x: Images) -> PerImage:
        self.laps.tick()
        return self.inner.loss(x)

    def reached(self, loss: PerImage) -> Mask:
        return torch.zeros_like(loss, dtype=torch.bool)

    def select(self, index: Tensor) -> "Paced":
        return Paced(self.inner.select(index), self.laps)


class PacedModel(nn.Module):
    """The same for a model of upstream's."""

    def __init__(self, inner: nn.Module, laps: Laps) -> None:
        super().__init__()
        self.inner, self.laps = inner, laps

    def forward(self, x: Images) -> Tensor:
        self.laps.tick()
        return self.inner(x)  # type: ignore[no-any-return]
