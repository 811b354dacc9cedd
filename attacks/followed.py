"""An attack on one metric that climbs the goals of others: the metric of the run only judges what it finds.

The loop (bench/found_on_others.py) makes the same goal for each metric that is followed, and joins them to one. It is
endless, since none of them has a say in whether the metric of the run is fooled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.norms import power_of_two
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.metrics.base import Metric


class FollowsOthers(Attack):
    """An attack that never asks the metric of the run."""

    needs_gradient: ClassVar[bool] = False

    def followed(self) -> tuple[str, ...]:
        """The metrics whose goals it climbs, as users name them."""
        raise NotImplementedError

    def climber(self) -> Attack:
        """The attack that climbs; it fills its budget."""
        raise NotImplementedError

    def looks(self, goal: Objective, noise: Noise) -> Objective:
        """The goal as gradients see it."""
        return goal


@dataclass(frozen=True)
class JoinedGoals(Objective):
    """The mean of some goals, each divided by the slope that it has at the clean image. Never reached.

    The margin of a metric over the l2 norm of its gradient is, to first order, how far in pixels its answer is from
    the flip. So metrics of any unit count alike, and a positive multiple of one changes nothing.

    Args:
        goals: one a metric.
        scales: of each goal, (n,); positive.
    """

    goals: tuple[Objective, ...]
    scales: tuple[PerImage, ...]

    @classmethod
    def of(cls, goals: Sequence[Objective], x: Images) -> "JoinedGoals":
        """For these clean images (n, 3, h, w). One goal keeps its unit; so does one without a slope at x.

        Raises UserError for several endless goals: at the clean image a distance from itself has no slope.
        """
        if len(goals) == 1:
            return cls((goals[0],), (torch.ones_like(x[:, 0, 0, 0]),))
        if any(goal.endless for goal in goals):
            raise UserError("several metrics are followed together to flip an answer, got a goal without end; name one")
        return cls(tuple(goals), tuple(_over_slope(goal.gradient(x)[1]) for goal in goals))

    @property
    def endless(self) -> bool:
        return True

    @property
    def surrogate(self) -> Metric | None:
        return self.goals[0].surrogate if len(self.goals) == 1 else None

    def loss(self, x: Tensor) -> PerImage:
        losses = [scale * goal.loss(x) for goal, scale in zip(self.goals, self.scales, strict=True)]
        return torch.stack(losses).mean(0)

    def reached(self, loss: PerImage) -> Mask:
        return torch.zeros_like(loss, dtype=torch.bool)

    def select(self, index: Tensor) -> "JoinedGoals":
        return JoinedGoals(
            tuple(goal.select(index) for goal in self.goals), tuple(scale[index] for scale in self.scales)
        )


def _over_slope(gradient: Tensor) -> PerImage:
    """1 / |gradient| (n,), also of gradients whose squares are too small or large for float32; 1 where it is zero."""
    power = power_of_two(gradient)
    length = (gradient * power[:, None, None, None]).flatten(1).norm(dim=1)
    return torch.where(length > 0, power / length, 1.0)
