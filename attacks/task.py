"""What one batch of triplets is to an attacker: the images that move, the goal, and the ball they stay in."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from perceptbench.attacks.ball import Ball, Balls, on_grid, stack, unstack
from perceptbench.attacks.base import Objective
from perceptbench.attacks.objectives import Drift, EmbeddingShift, FlipByAll, FlipFromTheSide, FlipPreference
from perceptbench.core.tensors import Images
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Anchors, Metric
from perceptbench.triplets.base import Triplets

Aim: TypeAlias = Literal["flip", "push", "pull"]
AIMS: tuple[Aim, ...] = ("flip", "push", "pull")


@dataclass(frozen=True)
class Task:
    """`x` is what an attack changes: one image a triplet, or three of them stacked."""

    x: Tensor
    objective: Objective
    ball: Ball
    threat: Threat

    def images(self, batch: Triplets, changed: Tensor) -> tuple[Images, Images, Images]:
        """Reference, left and right after the attack."""
        if self.threat.move == "all":
            reference, left, right = unstack(changed)
            return reference, left, right
        found = {"reference": batch.reference, "left": batch.left, "right": batch.right, self.threat.move: changed}
        return found["reference"], found["left"], found["right"]


def make_task(
    metric: Metric, batch: Triplets, threat: Threat, aim: Aim = "flip", *, by_embedding: bool = False,
    quantized: bool = False, anchors: Anchors | None = None,
) -> Task:  # fmt: skip
    """The task of a batch.

    Args:
        aim: flip the answer; push the reference away from itself; pull it towards the image that people
            did *not* choose, the one that should stay the farther.
        by_embedding: measure push and pull by the embedding's squared distance (the mse attacks).
        quantized: only images with 8 bits a channel count.
        anchors: of (left, right), where the caller has them already.

    Raises UserError where `by_embedding` meets a metric without one.
    """
    if quantized:
        batch = batch.redrawn(on_grid)
    x = {"reference": batch.reference, "left": batch.left, "right": batch.right}.get(threat.move)
    objective = _flip(metric, batch, threat, anchors) if aim == "flip" else _drift(metric, batch, aim, by_embedding)
    ball = Ball(threat.norm, quantized)
    if threat.eps_left is not None and threat.eps_right is not None:
        ball = Balls(threat.norm, quantized, threat.eps_left, threat.eps_right)
    return Task(
        stack(batch.reference, batch.left, batch.right) if x is None else x,
        objective,
        ball,
        threat,
    )


def _flip(metric: Metric, batch: Triplets, threat: Threat, anchors: Anchors | None) -> Objective:
    sign = 2 * batch.label - 1
    if threat.move == "reference":
        return FlipPreference(anchors or metric.prepare(batch.left, batch.right), sign)
    if threat.move == "all":
        return FlipByAll(metric, sign)
    stays, preferred = (batch.right, -sign) if threat.move == "left" else (batch.left, sign)
    return FlipFromTheSide.make(metric, batch.reference, stays, preferred)


def _drift(metric: Metric, batch: Triplets, aim: Aim, by_embedding: bool) -> Objective:
    target = batch.reference if aim == "push" else other_image(batch)
    sign = 1 if aim == "push" else -1
    if by_embedding:
        return EmbeddingShift.make(metric, target, sign)
    with torch.no_grad():
        return Drift(metric.prepare(target), sign)


def other_image(batch: Triplets) -> Images:
    """The image of each triplet that people did not choose."""
    return torch.where(batch.label[:, None, None, None] == 1, batch.left, batch.right)
