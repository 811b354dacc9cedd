"""`--save-images N`: what an attack made of the first N triplets of a run, kept beside its numbers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.plan import Plan
from core.tensors import Images
from results.images import SavedTriplet, save, saved_numbers
from triplets.base import Entry, Triplets


class Pictures:
    """Looks on while a run is computed. No number depends on it."""

    def __init__(self, plan: Plan, folder: Path, count: int) -> None:
        self.plan, self.folder = plan, folder
        self.entries = plan.source.entries[:count]
        self._numbers = {entry.id: number for number, entry in enumerate(self.entries)}
        self._seen: dict[str, list[np.ndarray]] = {}

    def missing(self) -> Sequence[Entry]:
        """The triplets whose images are not there: computed before they were asked for, or deleted since."""
        there = saved_numbers(self.folder)
        return [entry for entry in self.entries if self._numbers[entry.id] not in there]

    def watch(self, batch: Triplets, adversarial: Images) -> None:
        """Take the images of one budget; after the last budget a triplet is written."""
        for row, name in enumerate(batch.ids):
            if name not in self._numbers:
                continue
            seen = self._seen.setdefault(name, [])
            seen.append(adversarial[row].detach().cpu().numpy())
            if len(seen) == len(self.plan.spec.eps):
                self._save(batch, row, np.stack(self._seen.pop(name)))

    def _save(self, batch: Triplets, row: int, adversarial: np.ndarray) -> None:
        reference, left, right = (x[row].cpu().numpy() for x in (batch.reference, batch.left, batch.right))
        name, spec = batch.ids[row], self.plan.spec
        triplet = SavedTriplet(name, spec.eps, reference, left, right, adversarial, moved=spec.move)
        save(self.folder, self._numbers[name], triplet)
