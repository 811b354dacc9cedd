"""Randomised smoothing where the answer is known: the vote of a linear decision under Gaussian noise."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from perceptbench.certifiers.certify import certify
from perceptbench.certifiers.draws import gaussians, lower_bound
from perceptbench.certifiers.smoothing import Smoothing
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.metrics.classical.ssim import SSIM
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.testing.samples import l2_radius, random_triplets, subset, triplets
from perceptbench.triplets.base import Triplets

FAST = Smoothing(sigma=0.25, n=400, n0=40)


def noise(batch: Triplets, seed: int = 0) -> Noise:
    return Noise.make(seed, batch.ids)


def test_clopper_pearson() -> None:
    """All of n: alpha^(1/n). 81 of 263: the 95 % interval of Agresti's textbook begins at .2527."""
    assert lower_bound(1000, 1000, 0.001) == pytest.approx(0.001**0.001)
    assert lower_bound(0, 10, 0.001) == 0
    assert lower_bound(81, 263, 0.025) == pytest.approx(0.2527, abs=1e-4)
    assert norm.ppf(lower_bound(100_000, 100_000, 0.001)) == pytest.approx(3.81, abs=0.01)  # Cohen et al., figure 5


def test_a_linear_vote_is_certified_up_to_its_distance_and_not_beyond() -> None:
    """p = Phi(R / sigma): the smoothed radius is the exact one, but for the bound of p from n draws."""
    batch = triplets([0.1, 0.2, 0.3, 0.4], seed=3)
    proof = certify(Smoothing(sigma=0.25, n=4000), PixelL2(), batch, noise=noise(batch))
    exact = l2_radius(batch)
    assert (proof.radius < exact).all()
    assert (proof.radius > 0.75 * exact).all()
    assert not proof.abstained.any()
    assert (proof.error == 0).all()


@pytest.mark.parametrize("move", ["left", "right", "all"])
def test_the_noise_is_on_the_images_that_move(move: str) -> None:
    metric, batch = ProjectionCosine(192), random_triplets(3, 8, 4, ProjectionCosine(192))
    moving, still = (certify(FAST, metric, batch, Threat(m), noise(batch)).radius for m in (move, "reference"))  # type: ignore[arg-type]
    assert (moving > 0).any()
    assert not torch.equal(moving, still)


def test_a_shared_budget_in_l_infinity_is_that_of_the_joint_vector() -> None:
    batch = triplets([0.3, 0.4], seed=1)
    l2, linf = (certify(FAST, PixelL2(), batch, Threat("all", n), noise(batch)).radius for n in ("l2", "linf"))  # type: ignore[arg-type]
    torch.testing.assert_close(linf * (3 * 192) ** 0.5, l2)


def test_it_abstains_where_the_vote_is_open_and_gives_wrong_votes_nothing() -> None:
    batch = triplets([0.001, 0.4], seed=2)
    proof = certify(FAST, PixelL2(), batch, noise=noise(batch))
    assert proof.abstained.tolist() == [True, False]
    assert proof.radius[0] == 0
    wrong = replace(batch, label=1 - batch.label)
    proof = certify(FAST, PixelL2(), wrong, noise=noise(batch))
    assert proof.abstained.tolist() == [True, False]
    assert proof.radius.tolist() == [0, 0]


def test_ties_count_against_the_answer() -> None:
    class Blind(Metric):
        """Sees a difference on about three draws of four."""

        def __call__(self, x: Tensor, y: Tensor) -> Tensor:
            seen = x[:, 0, 0, 0] > 0.5 - 0.674 * 0.25
            return torch.where(seen, (x - y).flatten(1).norm(dim=1), 0.0)

    batch = triplets([5.0], seed=4)
    batch = replace(batch, reference=batch.reference.clone().index_fill_(3, torch.tensor([0]), 0.5))
    proof = certify(FAST, Blind(), batch, noise=noise(batch))
    assert 0.05 < float(proof.radius) < 0.25 * 0.674
    blind = certify(FAST, Blind(), replace(batch, reference=batch.reference - 9), noise=noise(batch))
    assert blind.abstained.all()


def test_any_metric_and_the_smoothed_answer_decides() -> None:
    """The metric's own answer is wrong at the clean image, the vote is right: the radius counts."""

    class Speck(Metric):
        def __call__(self, x: Tensor, y: Tensor) -> Tensor:
            return PixelL2()(x, y) * torch.where(x[:, 0, 0, 0] == 0.5, -1.0, 1.0)

    batch = triplets([0.4], seed=1)
    reference = batch.reference.clone()
    reference[:, 0, 0, 0] = 0.5
    batch = replace(batch, reference=reference)
    d0, d1 = Speck().prepare(batch.left, batch.right).distances(reference)
    assert (batch.sign * (d0 - d1) < 0).all()
    assert (certify(FAST, Speck(), batch, noise=noise(batch)).radius > 0).all()
    large = triplets([0.4], height=16, seed=1)
    proof = certify(Smoothing(n=20, n0=5), SSIM(), large, noise=noise(large))
    assert proof.norm_ref.isnan().all()


def test_draws_belong_to_the_sample() -> None:
    batch = triplets([0.3, 0.35, 0.4], seed=5)
    whole = certify(FAST, PixelL2(), batch, noise=noise(batch)).radius
    alone = [
        certify(FAST, PixelL2(), part, noise=noise(part)).radius
        for part in (subset(batch, torch.tensor([i])) for i in range(3))
    ]
    assert torch.equal(torch.cat(alone), whole)
    assert not torch.equal(certify(FAST, PixelL2(), batch, noise=noise(batch, seed=1)).radius, whole)


def test_gaussians_come_in_stacks_one_after_the_other() -> None:
    one = noise(triplets([0.1]))
    stacks = list(gaussians(one, torch.zeros(3, 2, 2), 130))
    assert [len(s) for s in stacks] == [64, 64, 2]
    whole = torch.cat(stacks)
    assert abs(float(whole.mean())) < 0.1
    assert float(whole.std()) == pytest.approx(1, abs=0.05)
    assert all(not torch.equal(a, b) for a, b in pairwise(whole))


def test_fresh_draws_bound_the_probability() -> None:
    """n0 draws and n draws follow each other: another n0 shifts what bounds p."""
    batch = triplets([0.2], seed=6)
    first, second = (certify(replace(FAST, n0=k), PixelL2(), batch, noise=noise(batch)).radius for k in (40, 80))
    assert not torch.equal(first, second)


def test_it_is_no_proof_of_the_metric_and_says_so() -> None:
    assert not FAST.sound(PixelL2())
    assert FAST.promise(SSIM()) == (
        "holds with probability 0.999 for the smoothed vote, another classifier than the metric"
    )
    with pytest.raises(UserError, match="draws at random"):
        certify(FAST, PixelL2(), triplets([0.1]))
    with pytest.raises(UserError, match="one budget"):
        certify(FAST, PixelL2(), triplets([0.1]), Threat("all", "l2", 1.0, 1.0), noise(triplets([0.1])))


@pytest.mark.parametrize("wrong", [{"sigma": 0.0}, {"n": 0}, {"n0": 0}, {"alpha": 0.0}, {"alpha": 1.0}])
def test_arguments_that_mean_nothing(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        Smoothing(**wrong)  # type: ignore[arg-type]
