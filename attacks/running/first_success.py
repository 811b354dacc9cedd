"""How many passes a search without gradients had had when a sample first succeeded: success against queries.

A search may look for ever smaller changes, so its passes in all do not say when it was within a budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.core.tensors import Images, Mask, PerImage


@dataclass
class FirstSuccess:
    """Watches the images that a search asks about. No attack knows of it.

    Args:
        x: clean images (n, 3, h, w).
        threat: measures the changes; its theta is the image.
        budgets: eps (k,), float64.
        passes: (k, n), of the search up to its first success within each eps; infinite before.
    """

    x: Images
    threat: ThreatSet
    budgets: Tensor
    passes: Tensor

    @classmethod
    def of(cls, x: Images, threat: ThreatSet, budgets: Sequence[float]) -> "FirstSuccess":
        """Before the first query."""
        levels = torch.tensor(budgets, dtype=torch.float64)
        return cls(x, threat, levels, torch.full((len(budgets), len(x)), torch.inf))

    def note(self, index: Tensor, images: Images, reached: Mask, passes: PerImage) -> None:
        """Look at images of the samples `index` (m,), of which some reach the goal, after so many passes each."""
        hit = reached.nonzero().flatten()
        if not len(hit):
            return
        rows = index[hit.cpu()]
        size = self.threat.measure(self.x[rows.to(self.x.device)], images.detach()[hit]).cpu()
        now = torch.where(size <= self.budgets[:, None], passes[hit.cpu()], torch.inf)
        self.passes[:, rows] = torch.minimum(self.passes[:, rows], now)
