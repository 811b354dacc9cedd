"""How far a change moves a distance: push an image away from itself, or pull it towards another one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.objectives import DistanceShift, EmbeddingShift
from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Images
from perceptbench.metrics.base import Metric
from perceptbench.results.tasks.drift import DriftScores
from perceptbench.tasks.base import Aim, Clean, Judged, Source, State, Task, task
from perceptbench.tasks.compared import Compared
from perceptbench.triplets.base import Triplets


@task("drift", source="arXiv:2310.18274, section 5 and eq. 14")
@dataclass(frozen=True)
class Drift(DriftScores, Task[Compared]):
    """Mean distance after an attack: of an image from itself (push), or from an image that should stay far (pull).

    Pull moves the reference towards the image that people did *not* choose. Both goals are endless.
    """

    def admit(self, source: Source) -> None:
        super().admit(source)
        if len({entry.reference or entry.id for entry in source.entries}) < 2:
            raise UserError(
                "--goal push or pull gives a mean distance, whose interval needs samples of two reference images or "
                "more, got one; take more data, or a larger --limit"
            )

    def prepare(self, metric: Metric, batch: Triplets, aim: Aim, state: State) -> Compared:
        return Compared.of(metric, batch, aim)

    def clean(self, prepared: Compared) -> Clean:
        return prepared.answers()

    def moving(self, prepared: Compared) -> Images:
        return prepared.moving()

    def objective(self, prepared: Compared) -> Objective:
        aim = prepared.aim
        sign = 1 if aim.goal == "push" else -1
        if aim.by_embedding:
            target = prepared.batch.reference if aim.goal == "push" else _not_chosen(prepared.batch)
            return EmbeddingShift.make(prepared.metric, target, sign)
        if aim.goal == "push":
            return DistanceShift(prepared.seen.anchors("reference"), sign)
        with torch.no_grad():
            return DistanceShift(prepared.metric.prepare(_not_chosen(prepared.batch)), sign)

    def judge(self, prepared: Compared, changed: Tensor, index: Tensor) -> Judged:
        return prepared.judged(changed, index)

    def images(self, prepared: Compared, changed: Tensor) -> dict[str, Images]:
        return prepared.evidence(changed)


def _not_chosen(batch: Triplets) -> Images:
    """The image of each triplet that people did not choose."""
    return torch.where(batch.label[:, None, None, None] == 1, batch.left, batch.right)
