"""Center smoothing where the smoothed embedding is known: a linear one, whose centre is g(x)."""

from dataclasses import replace

import pytest
import torch
from scipy.stats import chi2, norm

from perceptbench.certifiers.center_smoothing import CenterSmoothing, smallest_ball
from perceptbench.certifiers.certify import certify
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Embeddings, Images
from perceptbench.metrics.base import EmbeddingMetric
from perceptbench.metrics.classical.pixel import PSNR, PixelL2
from perceptbench.metrics.classical.ssim import SSIM
from perceptbench.testing.known_metrics import LiftedProjection, ProjectionCosine
from perceptbench.testing.samples import moved_across, random_triplets, triplets
from perceptbench.triplets.base import Triplets

SIGMA = 0.05
FAST = CenterSmoothing(sigma=SIGMA, n=300, m=400, delta=0.2)


class Line(PixelL2):
    """The first pixel alone: the centre is the median of a Gaussian on a line."""

    def embed(self, x: Images) -> Embeddings:
        return x.flatten(1)[:, :1]


def noise(batch: Triplets, seed: int = 0) -> Noise:
    return Noise.make(seed, batch.ids)


def on_a_line(distance: float) -> Triplets:
    """The reference is `distance` away from the middle of its anchors, on the side of the right one."""
    grey = torch.full((1, 3, 4, 4), 0.5)
    left, right, reference = grey.clone(), grey.clone(), grey.clone()
    left[0, 0, 0, 0], right[0, 0, 0, 0], reference[0, 0, 0, 0] = -4.5, 5.5, 0.5 + distance
    one = torch.ones(1)
    return Triplets(reference, left, right, one, one, ("a",))


def test_the_radius_is_where_three_quantiles_reach_the_plane() -> None:
    """|N| on a line: P(|f - c| < D / 3) = 2 Phi(D / 3 sigma) - 1; R follows, and never exceeds D."""
    for distance in (0.3, 0.45, 5.0):
        batch = on_a_line(distance)
        made = replace(FAST, n=2000, m=4000)
        proof = certify(made, Line(), batch, noise=noise(batch))
        p = min(2 * norm.cdf(distance / 3 / SIGMA) - 1, 0.0005 ** (1 / 4000))
        ideal = SIGMA * (norm.ppf(p) - norm.ppf(0.7))
        assert float(proof.radius) <= min(1.02 * ideal, distance)
        assert float(proof.radius) >= 0.8 * ideal
    assert certify(FAST, Line(), on_a_line(0.15), noise=noise(on_a_line(0.15))).radius.tolist() == [0.0]


def test_the_centre_at_a_perturbed_image_answers_the_same() -> None:
    """The smoothed answer itself, drawn afresh at the radius: it holds, for a linear embedding with room to spare."""
    batch = triplets([0.9, 1.2], height=4, seed=1)
    sigma = 0.02
    radius = certify(replace(FAST, sigma=sigma), PixelL2(), batch, noise=noise(batch)).radius
    assert (radius > 0).all()
    reach = torch.tensor([0.9, 1.2], dtype=torch.float64)
    assert (radius < reach).all()
    for i in range(2):
        moved = moved_across(batch, float(radius[i] / reach[i]))[i].float()
        points = (moved[None] + sigma * torch.randn(300, 3, 4, 4, generator=torch.Generator().manual_seed(i))).flatten(
            1
        )
        centre, _ = smallest_ball(points)
        nearer = (centre - batch.left[i].flatten()).norm() > (centre - batch.right[i].flatten()).norm()
        assert bool(nearer) == bool(batch.label[i])


def test_smallest_ball() -> None:
    points = torch.tensor([[0.0], [1.0], [2.0], [10.0], [50.0]])
    centre, r = smallest_ball(points)
    assert centre.tolist() == [1.0]
    assert r == 1.0
    draw = torch.Generator().manual_seed(0)
    cloud = torch.randn(2000, 3, generator=draw, dtype=torch.float64)
    centre, r = smallest_ball(cloud)
    assert r == pytest.approx(chi2(3).median() ** 0.5, rel=0.05)


def test_it_abstains_where_no_ball_holds_half_of_the_draws_twice() -> None:
    """Two draws in three jump away at random: fresh draws do not fill the ball of the first ones."""

    class Odd(Line):
        """Every image is somewhere else: what the first draws showed says nothing of the next."""

        calls = 0

        def embed(self, x: Images) -> Embeddings:
            Odd.calls += 1
            return super().embed(x) + (1000 * Odd.calls if len(x) > 1 else 0)

    batch = on_a_line(1.0)
    proof = certify(FAST, Odd(), batch, noise=noise(batch))
    assert proof.abstained.all()
    assert proof.radius.tolist() == [0.0]


def test_wrong_answers_and_equal_anchors_have_no_radius() -> None:
    batch = on_a_line(0.4)
    assert certify(FAST, Line(), replace(batch, label=0 * batch.label), noise=noise(batch)).radius.tolist() == [0.0]
    assert certify(FAST, Line(), replace(batch, left=batch.right), noise=noise(batch)).radius.tolist() == [0.0]


def test_cosine_metrics_are_smoothed_on_the_unit_sphere() -> None:
    """The scale of g does not matter, as it does not to the metric."""
    small, large = ProjectionCosine(192), ProjectionCosine(192, scale=5.0)
    batch, made = random_triplets(3, 8, 4, small), replace(FAST, sigma=0.01)
    one, other = (certify(made, metric, batch, noise=noise(batch)).radius for metric in (small, large))
    torch.testing.assert_close(one, other)
    assert (one > 0).any()
    assert (one <= small.exact(batch)[0]).all()


def test_it_is_no_proof_of_the_metric_and_says_so() -> None:
    assert not FAST.sound(PixelL2())
    assert "probability 0.999 for the centre" in FAST.promise(PixelL2())
    with pytest.raises(UserError, match="smooths an embedding, which SSIM has not"):
        FAST.sound(SSIM())
    with pytest.raises(UserError, match="raise n or delta"):
        CenterSmoothing(n=20)
    with pytest.raises(UserError, match="draws at random"):
        certify(FAST, PixelL2(), triplets([0.1]))


@pytest.mark.parametrize(
    "metric", [ProjectionCosine(192), LiftedProjection(192), PixelL2(), PSNR()], ids=lambda m: type(m).__name__
)
def test_points_are_ordered_by_distance_as_the_metric_orders(metric: EmbeddingMetric) -> None:
    """Lengths differ a lot, which a cosine must not see."""
    draw = torch.Generator().manual_seed(0)
    a, b, c = (torch.randn(60, 17, generator=draw) * 10 ** torch.randn(60, 1, generator=draw) for _ in range(3))
    p, q, r = (metric.points(v) for v in (a, b, c))
    assert torch.equal((p - q).norm(dim=1) < (p - r).norm(dim=1), metric.compare(a, b) < metric.compare(a, c))
