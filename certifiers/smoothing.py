"""Randomised smoothing of the 2AFC vote (Cohen et al., ICML 2019, arXiv:1902.02918): for any metric."""

from dataclasses import dataclass

import torch
from scipy.special import ndtri
from torch import Tensor

from perceptbench.certifiers.base import Proof, certifier
from perceptbench.certifiers.draws import check, collected, gaussians, lower_bound, needed
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.metrics.seen import Seen


@certifier("smoothing", source="arXiv:1902.02918")
@dataclass(frozen=True)
class Smoothing:
    """Certifies the vote of the metric under Gaussian noise, not the metric itself.

    The smoothed vote is the answer most likely under noise of deviation sigma on the images that move.
    `n0` draws choose an answer A; `n` fresh draws bound its probability from below (Clopper-Pearson),
    and R = sigma Phi^-1(p_A). It abstains where p_A <= 1/2. A radius counts where A is what people
    chose, whatever the metric answers without noise. Noise is *not* clipped to [0, 1]: the theorem is about
    sums, so the metric sees values beyond. A draw on which both distances agree counts against A.

    With all three images moving, the noise is on all three, and R bounds their changes as one vector.
    """

    sigma: float = 0.25
    n: int = 1000
    n0: int = 100
    alpha: float = 0.001

    def __post_init__(self) -> None:
        check("smoothing", sigma=self.sigma, alpha=self.alpha, n=self.n, n0=self.n0)

    def sound(self, metric: Metric) -> bool:
        return False

    def admit(self, threat: Threat) -> None:
        if threat.separate:
            raise UserError(
                "smoothing certifies one budget: leave --eps-left and --eps-right out, or use --certifier margin"
            )

    @property
    def confidence(self) -> float:
        return 1 - self.alpha

    def promise(self, metric: Metric) -> str:
        return f"holds with probability {1 - self.alpha:g} for the smoothed vote, another classifier than the metric"

    def prove(self, seen: Seen, label: PerImage, threat: Threat, noise: Noise | None) -> Proof:
        noise = needed(noise, "smoothing")
        rows = [self._one(seen, i, bool(label[i] > 0.5), threat, noise) for i in range(len(label))]
        if threat.move == "all" and threat.norm == "linf":
            # Three images within e each are one vector within sqrt(3) e.
            rows = [(radius / 3**0.5, abstained) for radius, abstained in rows]
        return collected(rows, seen)

    def _one(self, seen: Seen, i: int, prefers_right: bool, threat: Threat, noise: Noise) -> tuple[float, bool]:
        """Radius in pixel l2, and whether it abstained."""
        parts = ("reference", "left", "right")
        triplet = torch.stack([seen.images[part][i] for part in parts])
        moves = torch.tensor([threat.move in (part, "all") for part in parts])
        own = noise.select(torch.tensor([i]))
        left, right = self._votes(seen.metric, triplet, moves, own, self.n0)
        chosen = int(right > left)
        votes = self._votes(seen.metric, triplet, moves, own, self.n)[chosen]
        p = lower_bound(votes, self.n, self.alpha)
        if p <= 0.5:
            return 0.0, True
        return self.sigma * float(ndtri(p)) * (chosen == prefers_right), False

    def _votes(self, metric: Metric, triplet: Tensor, moves: Tensor, noise: Noise, count: int) -> tuple[int, int]:
        """On how many draws the left image is nearer, and on how many the right one."""
        left = right = 0
        fixed = None if bool(moves[1:].any()) else metric.prepare(triplet[1:2], triplet[2:3])
        for drawn in gaussians(noise, triplet[moves], count):
            images = triplet.repeat(len(drawn), 1, 1, 1, 1)
            images[:, moves] += self.sigma * drawn
            anchors = (
                metric.prepare(images[:, 1], images[:, 2])
                if fixed is None
                else fixed.select(torch.zeros(len(drawn), dtype=torch.long))
            )
            d0, d1 = anchors.distances(images[:, 0])
            left, right = left + int((d0 < d1).sum()), right + int((d1 < d0).sum())
        return left, right
