"""`--save-images N`: keeps the attacked images of the first N triplets of a run."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from perceptbench.attacks.running.judge import Outcome
from perceptbench.bench.plan import Plan
from perceptbench.core.tensors import Images
from perceptbench.results.saved_images import SavedTriplet, saved_numbers
from perceptbench.tasks.base import Batch, Sample, State
from perceptbench.triplets.base import Triplets

COMPARED = 24
"""The image that a sheet shows for comparison is one of the images of this many first triplets."""


def missing(plan: Plan, folder: Path, count: int) -> Sequence[Sample]:
    """Those of the first samples whose images are missing: not asked for at the time, or deleted since."""
    there = saved_numbers(folder) if count else set()
    return [entry for number, entry in enumerate(plan.source.entries[:count]) if number not in there]


class Pictures:
    """Collects images of a run while it is computed. No number depends on it."""

    def __init__(self, plan: Plan, state: State, count: int) -> None:
        self.plan, self.state = plan, state
        self._numbers = {entry.id: number for number, entry in enumerate(plan.source.entries[:count])}
        self._seen: dict[str, list[np.ndarray]] = {}
        self._whole: list[tuple[int, SavedTriplet]] = []

    def taken(self) -> tuple[tuple[int, SavedTriplet], ...]:
        """The triplets that became complete since the last call, each with its number in the data."""
        taken, self._whole = tuple(self._whole), []
        return taken

    def watch(self, batch: Batch, outcome: Outcome) -> None:
        """Take the images of one budget; after the last budget a triplet is complete."""
        rows = [row for row, name in enumerate(batch.ids) if name in self._numbers]
        for row in rows:
            seen = self._seen.setdefault(batch.ids[row], [])
            seen.append(outcome.adversarial[row].detach().cpu().numpy())
        whole = [row for row in rows if len(self._seen[batch.ids[row]]) == len(self.plan.spec.eps)]
        if whole:
            task, metric, aim = self.plan.task, self.plan.metric, self.plan.aim
            kept = task.pictured(metric, batch, aim, self.state, outcome.adversarial)
            for row in whole:
                name = batch.ids[row]
                images = {part: each[row] for part, each in kept.items()}
                triplet = self._triplet(name, images, np.stack(self._seen.pop(name)), near=isinstance(batch, Triplets))
                self._whole.append((self._numbers[name], triplet))

    def _triplet(self, name: str, images: dict[str, Tensor], adversarial: np.ndarray, *, near: bool) -> SavedTriplet:
        """`near`: whether another image is kept too, for comparison."""
        moved, spec = self.plan.spec.move, self.plan.spec
        arrays = {part: image.cpu().numpy() for part, image in images.items()}
        reference, left, right = (arrays[part] for part in ("reference", "left", "right"))
        triplet = SavedTriplet(name, spec.eps, reference, left, right, adversarial=adversarial, moved=moved)
        x = images[moved]
        other, distance = self._near(x, torch.from_numpy(adversarial[-1]).to(x)) if near else (None, None)
        return triplet if other is None else replace(triplet, near=other.cpu().numpy(), near_distance=distance)

    @torch.no_grad()
    def _near(self, x: Tensor, attacked: Tensor) -> tuple[Tensor, float] | tuple[None, None]:
        """The other image whose distance from x is closest to that of the attacked x, and this distance.

        None where all images are the same. One pair at a time, so that the result does not depend on a batch.
        """
        anchors = self.plan.metric.prepare(x[None])
        aim = float(anchors.distances(attacked[None])[0, 0])
        others = [y for y in self._others.to(x) if not torch.equal(y, x)]
        if not others:
            return None, None
        found = [float(anchors.distances(y[None])[0, 0]) for y in others]
        best = min(range(len(others)), key=lambda i: abs(found[i] - aim))
        return others[best], found[best]

    @cached_property
    def _others(self) -> Images:
        batch = self.plan.source.batch(self.plan.source.entries[:COMPARED])
        return torch.cat((batch.reference, batch.left, batch.right))
