"""What tasks on triplets share: a batch with its embeddings, and its distances before and after a change."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from perceptbench.attacks.threats.stacked import stack, unstack
from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Images, PerImage
from perceptbench.core.threat import Move
from perceptbench.metrics.base import Anchors, Metric
from perceptbench.metrics.seen import Seen
from perceptbench.tasks.base import Clean, Judged
from perceptbench.triplets.base import Triplets

_NAMES = ("reference", "left", "right")


@dataclass(frozen=True)
class Compared:
    """A batch of triplets, each image of which passes through the metric once."""

    metric: Metric
    batch: Triplets
    seen: Seen

    @classmethod
    def of(cls, metric: Metric, batch: Triplets) -> "Compared":
        """For these triplets."""
        return cls(metric, batch, Seen(metric, {name: getattr(batch, name) for name in _NAMES}))

    @cached_property
    def anchors(self) -> Anchors:
        """Anchors of left and right, which are fixed while the reference moves."""
        return self.seen.anchors("left", "right")

    @cached_property
    def _all(self) -> Anchors:
        return self.seen.anchors("left", "right", "reference")

    def answers(self) -> Clean:
        """The clean distances and the answer they give. Raises UserError for a distance that is not finite."""
        d0, d1 = self.distances()
        batch = self.batch
        columns = {
            "label": batch.label, "right_share": batch.right_share, "d0": d0, "d1": d1,
            "correct": batch.sign * (d0 - d1) > 0, "norm_ref": self.seen.norm("reference"),
        }  # fmt: skip
        return Clean(columns, _judged(batch.sign, d0, d1, torch.zeros_like(d0)))

    def judged(self, changed: Tensor, index: Tensor, move: Move) -> Judged:
        """The answers of some rows after a change: a tie is a lost answer."""
        return _judged(self.batch.sign[index], *self.after(changed, index, move))

    def distances(self) -> tuple[PerImage, PerImage]:
        """d(reference, left) and d(reference, right). Raises UserError where one is not finite."""
        d0, d1 = self.seen.distance("reference", "left"), self.seen.distance("reference", "right")
        if not bool(torch.isfinite(d0 + d1).all()):
            raise UserError(
                f"the metric gave a distance that is not finite on {self.batch.ids[0]} or its batch; correct it first"
            )
        return d0, d1

    def moving(self, move: Move) -> Tensor:
        """The image that moves, or all three stacked as one."""
        if move == "all":
            return stack(self.batch.reference, self.batch.left, self.batch.right)
        image: Images = getattr(self.batch, move)
        return image

    def images(self, changed: Tensor, move: Move) -> tuple[Images, Images, Images]:
        """Reference, left and right after a change."""
        if move == "all":
            reference, left, right = unstack(changed)
            return reference, left, right
        found = {"reference": self.batch.reference, "left": self.batch.left, "right": self.batch.right, move: changed}
        return found["reference"], found["left"], found["right"]

    def evidence(self, changed: Tensor, move: Move) -> dict[str, Images]:
        """The clean images and the changed ones, by name."""
        kept = {name: getattr(self.batch, name) for name in _NAMES}
        for name, after in zip(_NAMES, self.images(changed, move), strict=True):
            if after is not kept[name]:
                kept["adversarial" if name == "reference" else f"adversarial_{name}"] = after
        return kept

    @torch.no_grad()
    def after(self, changed: Tensor, index: Tensor, move: Move) -> tuple[PerImage, PerImage, PerImage]:
        """d(reference, left), d(reference, right) and the distance of the changed image from its clean self, (m,) each.

        Where all three images move, the last distance is that of the reference.
        """
        if move == "reference":
            d0, d1, itself = self._all.select(index).distances(changed)
            return d0, d1, itself
        part = Compared(self.metric, self.batch.mapped(lambda tensor: tensor[index]), self.seen)
        reference, left, right = part.images(changed, move)
        moved, clean = (reference, "reference") if move == "all" else (changed, move)
        itself = self.seen.anchors(clean).select(index).distances(moved)[0]
        return self.metric(reference, left), self.metric(reference, right), itself


def _judged(sign: PerImage, d0: PerImage, d1: PerImage, itself: PerImage) -> Judged:
    return Judged(sign * (d0 - d1) <= 0, {"d0_adv": d0, "d1_adv": d1, "d_self": itself})
