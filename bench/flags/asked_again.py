"""A few samples on which a metric is asked again: does it answer the same, and is its gradient its slope?

Everything is measured on the goal of the attack, as a loss of the images that move. So it works for every task, and a
positive factor of the distance changes nothing: all numbers are shares, or relative to the losses themselves.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.norms import length
from perceptbench.bench.flags.search_counts import SearchCounts
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import PerImage
from perceptbench.metrics.base import Metric
from perceptbench.tasks.base import Aim, Source, State, Task

SAMPLES = 8
_STEPS = (1 / 16 / 255, 1 / 4 / 255, 1 / 255)
"""Of a pixel, from a sixteenth of a grey level to one. Small steps suit curved metrics, large ones drown rounding."""
_CLOSE = 0.25
_BLOCK = 16
_FEWEST = 4


@dataclass(frozen=True)
class AskedAgain:
    """Images near the clean ones of some samples, and the attacker's goal as a loss of them.

    Args:
        objective: the goal for these samples.
        x: (n, 3, h, w), a little inside [0, 1], so that a step in any direction stays there.
        differentiable: whether the metric has a gradient.
        stochastic: whether the metric says that it draws at random.
        noise: one source for each sample.
    """

    objective: Objective
    x: Tensor
    differentiable: bool
    stochastic: bool
    noise: Noise

    @classmethod
    def of(
        cls, task: Task[Any], metric: Metric, source: Source, aim: Aim, state: State, device: str, *,
        seed: int = 0, differentiable: bool = True,
    ) -> "AskedAgain":  # fmt: skip
        """For the first samples of a data set."""
        batch = source.batch(source.entries[:SAMPLES]).to(device)
        return cls.near(task, metric, batch, aim, state, seed=seed, differentiable=differentiable)

    @classmethod
    def near(
        cls, task: Task[Any], metric: Metric, batch: Any, aim: Aim, state: State, *,
        seed: int = 0, differentiable: bool = True,
    ) -> "AskedAgain":  # fmt: skip
        """For the samples of a batch."""
        prepared = task.prepare(metric, batch, aim, state)
        clean, noise = task.moving(prepared), Noise.make(seed, batch.ids, "probe")
        # Away from the clean image, since the distance of an image from itself has no slope there.
        x = (0.9 * clean + 0.05 + 2 / 255 * (2 * noise.uniform(clean) - 1)).clamp(0, 1)
        has = differentiable and metric.differentiable
        return cls(task.objective(prepared), x, has, metric.stochastic, noise)

    @cached_property
    def losses(self) -> PerImage:
        """The losses (n,) of the images, in one batch."""
        return self.objective.value(self.x).double()

    @cached_property
    def _slope(self) -> tuple[PerImage, Tensor]:
        return self.objective.gradient(self.x)

    @property
    def constant(self) -> float | None:
        """The share of samples that have the commonest loss, beside the first of them; None for too few samples."""
        if len(self.x) < _FEWEST:
            return None
        most = torch.unique(self.losses, return_counts=True)[1].max()
        return float((most - 1) / (len(self.x) - 1))

    @property
    def unrepeatable(self) -> float | None:
        """How far the losses of two equal calls differ, as a share of the largest loss."""
        return None if self.stochastic else self._apart(self.objective.value(self.x))

    @property
    def batched(self) -> float | None:
        """How far the losses of single images differ from those of a batch, as a share of the largest loss."""
        if self.stochastic or len(self.x) < 2:
            return None
        rows = torch.arange(len(self.x), device=self.x.device).split(1)
        return self._apart(torch.cat([self.objective.select(row).value(self.x[row]) for row in rows]))

    @property
    def gradients(self) -> SearchCounts:
        """How many of the gradients are zero, where there are gradients."""
        if not self.differentiable:
            return SearchCounts()
        flat = length(self._slope[1], "linf") == 0
        return SearchCounts(gradients=len(flat), flat=int(flat.sum()))

    @property
    def mismatch(self) -> float | None:
        """How far the gradient is from central differences: 0 for none, 1 where it says nothing of them.

        For each sample sqrt(sum (f - p)^2 / sum max(f^2, p^2)) over some directions, with the difference f of the loss
        across a step and p = <gradient, step>. Of several lengths of the step the best agreement counts, and then the
        median over samples.
        """
        if not self.differentiable or self.stochastic:
            return None
        best = torch.ones_like(self.losses)
        for step in _STEPS:
            best = torch.minimum(best, self._mismatch(step))
            if float(best.median()) < _CLOSE:
                break
        return float(best.median())

    def _mismatch(self, step: float) -> PerImage:
        apart, whole = torch.zeros_like(self.losses), torch.zeros_like(self.losses)
        for way in self._directions:
            ahead, behind = self.objective.value(self.x + step * way), self.objective.value(self.x - step * way)
            found = ahead.double() - behind.double()
            predicted = 2 * step * (self._slope[1].double() * way).flatten(1).sum(1)
            apart += (found - predicted).square()
            whole += torch.maximum(found.square(), predicted.square())
        return torch.where(whole > 0, (apart / whole).sqrt(), 0.0)

    @cached_property
    def _directions(self) -> tuple[Tensor, Tensor]:
        """Random signs: of single pixels, and of blocks, which also metrics feel that blur."""
        height, width = self.x.shape[-2:]
        coarse = self.x.new_empty(len(self.x), self.x.shape[1], -(-height // _BLOCK), -(-width // _BLOCK))
        blocks = F.interpolate(self.noise.uniform(coarse), scale_factor=_BLOCK)[..., :height, :width]
        pixels = self.noise.uniform(self.x)
        return 2 * (pixels < 0.5).to(self.x) - 1, 2 * (blocks < 0.5).to(self.x) - 1

    def _apart(self, others: PerImage) -> float:
        scale = self.losses.abs().max()
        return float((others.double() - self.losses).abs().max() / scale) if scale > 0 else 0.0
