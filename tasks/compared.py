"""What tasks on triplets share: a batch with its embeddings, and its distances before and after a change."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from perceptbench.attacks.threats.stacked import stack, unstack
from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import Anchors, Metric
from perceptbench.metrics.seen import Seen
from perceptbench.tasks.base import Aim, Clean, Judged
from perceptbench.triplets.base import Triplets

_NAMES = ("reference", "left", "right")


@dataclass(frozen=True)
class Compared:
    """A batch of triplets, each image of which passes through the metric once."""

    metric: Metric
    batch: Triplets
    aim: Aim
    seen: Seen

    @classmethod
    def of(cls, metric: Metric, batch: Triplets, aim: Aim) -> "Compared":
        """For these triplets and what an attacker wants of them."""
        return cls(metric, batch, aim, Seen(metric, {name: getattr(batch, name) for name in _NAMES}))

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

    def judged(self, changed: Tensor, index: Tensor) -> Judged:
        """The answers of some rows after a change: a tie is a lost answer."""
        return _judged(self.batch.sign[index], *self.after(changed, index))

    def distances(self) -> tuple[PerImage, PerImage]:
        """d(reference, left) and d(reference, right). Raises UserError where one is not finite."""
        d0, d1 = self.seen.distance("reference", "left"), self.seen.distance("reference", "right")
        if not bool(torch.isfinite(d0 + d1).all()):
            raise UserError(
                f"the metric gave a distance that is not finite on {self.batch.ids[0]} or its batch; correct it first"
            )
        return d0, d1

    def moving(self) -> Tensor:
        """The image that moves, or all three stacked as one."""
        if self.aim.move == "all":
            return stack(self.batch.reference, self.batch.left, self.batch.right)
        image: Images = getattr(self.batch, self.aim.move)
        return image

    def images(self, changed: Tensor) -> tuple[Images, Images, Images]:
        """Reference, left and right after a change."""
        if self.aim.move == "all":
            reference, left, right = unstack(changed)
            return reference, left, right
        found = {name: getattr(self.batch, name) for name in _NAMES} | {self.aim.move: changed}
        return found["reference"], found["left"], found["right"]

    def evidence(self, changed: Tensor) -> dict[str, Images]:
        """The clean images and the changed ones, by name."""
        kept = {name: getattr(self.batch, name) for name in _NAMES}
        for name, after in zip(_NAMES, self.images(changed), strict=True):
            if after is not kept[name]:
                kept["adversarial" if name == "reference" else f"adversarial_{name}"] = after
        return kept

    @torch.no_grad()
    def after(self, changed: Tensor, index: Tensor) -> tuple[PerImage, PerImage, PerImage]:
        """d(reference, left), d(reference, right) and the distance of the changed image from its clean self, (m,) each.

        Where all three images move, the last distance is that of the reference.
        """
        move = self.aim.move
        if move == "reference":
            d0, d1, itself = self._all.select(index).distances(changed)
            return d0, d1, itself
        part = Compared(self.metric, self.batch.mapped(lambda tensor: tensor[index]), self.aim, self.seen)
        reference, left, right = part.images(changed)
        moved, clean = (reference, "reference") if move == "all" else (changed, move)
        itself = self.seen.anchors(clean).select(index).distances(moved)[0]
        return self.metric(reference, left), self.metric(reference, right), itself


def _judged(sign: PerImage, d0: PerImage, d1: PerImage, itself: PerImage) -> Judged:
    return Judged(sign * (d0 - d1) <= 0, {"d0_adv": d0, "d1_adv": d1, "d_self": itself})
