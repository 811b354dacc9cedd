"""Center smoothing (Kumar and Goldstein, NeurIPS 2021, arXiv:2102.09701) of the embedding, for the 2AFC answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, sqrt

import torch
from scipy.special import ndtri
from torch import Tensor

from perceptbench.certifiers.base import Proof, certifier
from perceptbench.certifiers.draws import check, collected, gaussians, lower_bound, needed
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import EmbeddingMetric, Metric
from perceptbench.metrics.seen import Seen

_BETA = 2
"""The centre is one of the samples, so its ball is at most twice as wide as the smallest one."""


@certifier("center-smoothing", source="arXiv:2102.09701")
@dataclass(frozen=True)
class CenterSmoothing:
    """Certifies the answer of the smoothed embedding, the centre of g(x + noise), not the metric itself.

    Points are u = g / |g|, or g for a Euclidean metric, with Euclidean distance. Three sets of draws:

    1. `n` candidates; the centre c is the one whose median distance to all of them, r, is least.
    2. `n` more; the share within r of c is at least 1/2 - delta, or it abstains. With delta >= delta_1 =
       sqrt(ln(2 / alpha_1) / (2 n)) (Hoeffding) this makes c the paper's smoothed output: its ball holds
       probability 1/2 - delta, and r is at most 2 r*, r* the radius of the smallest ball that holds
       1/2 + delta (their theorem 1, beta = 2).
    3. `m` more, for one fixed radius rho = D / 3, D the distance of c from the plane between the anchors:
       p, the chance of a point within rho of c, is bounded from below (Clopper-Pearson with alpha_2).

    Their theorem 2 is (1 + beta) R(eps) = 3 R(eps) >= |c - c'|, R(eps) the radius around c that holds
    1/2 + delta at every x' within eps. Solved for the largest eps with 3 R(eps) < D:

        R = sigma (Phi^-1(p) - Phi^-1(1/2 + delta)),

    the largest eps at which B(c, rho) still holds 1/2 + delta (Neyman-Pearson). There it meets the ball of c',
    which holds 1/2 - delta and has a radius of at most 2 rho, so |c - c'| < 3 rho = D: the same side.

    alpha_1 = alpha_2 = alpha / 2: alpha_1 is the chance that c' at the perturbed image is no such centre,
    alpha_2 that p is smaller. Noise is not clipped. The paper draws n = 1e4 and m = 1e6 an image; the defaults here
    are far below, fit for a row to compare with: R stays below sigma (Phi^-1(alpha_2^(1/m)) - Phi^-1(1/2 + delta)).
    """

    sigma: float = 0.25
    n: int = 500
    m: int = 1000
    alpha: float = 0.001
    delta: float = 0.15

    def __post_init__(self) -> None:
        check("center-smoothing", sigma=self.sigma, alpha=self.alpha, n=self.n, m=self.m)
        if not self._delta_1 <= self.delta < 0.5:
            raise UserError(
                f"center-smoothing(delta=...) wants a value in [{self._delta_1:.3g}, 0.5) for n={self.n} draws and "
                f"alpha={self.alpha:g}, got {self.delta:g}; raise n or delta"
            )

    @property
    def _delta_1(self) -> float:
        return sqrt(log(4 / self.alpha) / (2 * self.n))

    def sound(self, metric: Metric) -> bool:
        _embedding(metric)
        return False

    def admit(self, threat: Threat) -> None:
        if threat.move != "reference":
            raise UserError(
                "the certifier 'center-smoothing' knows of a moving reference only, "
                f"got --move {threat.move}; use --certifier margin or smoothing"
            )

    @property
    def confidence(self) -> float:
        return 1 - self.alpha

    def promise(self, metric: Metric) -> str:
        return (
            f"holds with probability {1 - self.alpha:g} for the centre of the smoothed embedding, "
            "another classifier than the metric"
        )

    def prove(self, seen: Seen, label: PerImage, threat: Threat, noise: Noise | None) -> Proof:
        noise = needed(noise, "center-smoothing")
        return collected([self._one(seen, i, bool(label[i] > 0.5), noise) for i in range(len(label))], seen)

    def _one(self, seen: Seen, i: int, prefers_right: bool, noise: Noise) -> tuple[float, bool]:
        """Radius in pixel l2, and whether it abstained."""
        metric, x, own = _embedding(seen.metric), seen.images["reference"][i], noise.select(torch.tensor([i]))
        centre, r = smallest_ball(torch.cat(list(self._points(metric, x, own, self.n))))
        if self._within(metric, x, own, self.n, centre, r) / self.n - self._delta_1 < 0.5 - self.delta:
            return 0.0, True
        sides = ("right", "left") if prefers_right else ("left", "right")
        near, far = (metric.points(metric.embed(seen.images[side][i : i + 1]))[0].double() for side in sides)
        normal = near - far
        distance = float(normal @ (centre - (near + far) / 2) / normal.norm().clamp_min(1e-300))
        if distance <= 0:
            return 0.0, False
        inside = self._within(metric, x, own, self.m, centre, distance / (1 + _BETA))
        p = lower_bound(inside, self.m, self.alpha / 2)
        if p <= 0.5 + self.delta:
            return 0.0, False
        return self.sigma * float(ndtri(p) - ndtri(0.5 + self.delta)), False

    def _points(self, metric: EmbeddingMetric, x: Tensor, noise: Noise, count: int) -> Iterator[Tensor]:
        for drawn in gaussians(noise, x, count):
            yield metric.points(metric.embed(x + self.sigma * drawn)).double()

    def _within(self, metric: EmbeddingMetric, x: Tensor, noise: Noise, count: int, centre: Tensor, r: float) -> int:
        """How many of `count` fresh points are nearer than r to the centre; not at r, so that D is never reached."""
        return sum(int(((p - centre).norm(dim=1) < r).sum()) for p in self._points(metric, x, noise, count))


def smallest_ball(points: Tensor) -> tuple[Tensor, float]:
    """The point (d,) of (n, d) with the least median distance to all, and that distance.

    At least half of the points lie within it, and no ball anywhere that holds half of them is
    narrower than half of it.
    """
    half = (len(points) + 1) // 2
    medians = torch.stack([(points - p).norm(dim=1).kthvalue(half).values for p in points])
    best = int(medians.argmin())
    return points[best], float(medians[best])


def _embedding(metric: Metric) -> EmbeddingMetric:
    if not isinstance(metric, EmbeddingMetric):
        raise UserError(
            f"the certifier 'center-smoothing' smooths an embedding, which {type(metric).__name__} has not; "
            "use --certifier smoothing"
        )
    return metric
