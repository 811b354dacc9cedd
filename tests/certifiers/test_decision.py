"""Proofs for pairs against closed forms, and what float32 takes off them."""

import math

import pytest
import torch

from perceptbench.certifiers.certify import certify
from perceptbench.certifiers.decision import decision_proof, interval_proof
from perceptbench.certifiers.paper import Paper
from perceptbench.certifiers.reserve import reserve, taken_off
from perceptbench.core.errors import UserError
from perceptbench.metrics.classical.pixel import PSNR, PixelL2
from perceptbench.metrics.classical.ssim import SSIM
from perceptbench.metrics.seen import Seen
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.testing.samples import generator, random_images
from perceptbench.triplets.base import Triplets

PAIR = {"moving": random_images(4, 8, seed=1), "fixed": random_images(4, 8, seed=2)}
APART = (PAIR["moving"].double() - PAIR["fixed"].double()).flatten(1).norm(dim=1)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 1.5])
def test_pixel_l2_decides_up_to_the_threshold(factor: float) -> None:
    tau = factor * APART
    proof = decision_proof(Seen(PixelL2(), PAIR), "moving", "fixed", tau)
    gap = (APART - tau).abs()
    assert (proof.radius < gap).all()
    assert (proof.radius > gap * (1 - 1e-3)).all()
    torch.testing.assert_close(proof.radius + proof.error, gap)
    assert not proof.abstained.any()
    torch.testing.assert_close(proof.norm_ref, PAIR["moving"].double().flatten(1).norm(dim=1))


def test_psnr_decides_as_l2_does_at_the_same_mean_squared_error() -> None:
    tau = 10 * math.log10(5.0**2 / 192)
    l2, psnr = (
        decision_proof(Seen(metric, PAIR), "moving", "fixed", t) for metric, t in ((PixelL2(), 5.0), (PSNR(), tau))
    )
    torch.testing.assert_close(psnr.radius + psnr.error, l2.radius + l2.error)


def test_nothing_is_proved_where_float32_may_be_on_the_other_side() -> None:
    proof = decision_proof(Seen(PixelL2(), PAIR), "moving", "fixed", APART * (1 + 1e-7))
    assert proof.radius.tolist() == [0.0] * 4
    assert (proof.error > 0).all()


def test_a_worse_float32_pass_leaves_less() -> None:
    class Sloppy(ProjectionCosine):
        def embed(self, x: torch.Tensor) -> torch.Tensor:
            g = super().embed(x)
            return g if x.dtype == torch.float64 else g + 0.02 * torch.randn(g.shape, generator=generator(1))

    careful, sloppy = (Seen(made(192), PAIR) for made in (ProjectionCosine, Sloppy))
    one, other = (decision_proof(seen, "moving", "fixed", 1.5).radius for seen in (careful, sloppy))
    assert (other < one).all()
    (low, high), (lower, higher) = (interval_proof(seen, "moving", "fixed", 0.1) for seen in (careful, sloppy))
    assert (lower < low).all()
    assert (higher > high).all()


def test_the_interval_of_pixel_l2_is_eps_to_both_sides() -> None:
    low, high = interval_proof(Seen(PixelL2(), PAIR), "moving", "fixed", 0.5)
    for bound, wanted, side in ((low, APART - 0.5, -1), (high, APART + 0.5, 1)):
        assert (side * (bound - wanted) > 0).all()
        torch.testing.assert_close(bound, wanted, rtol=1e-4, atol=0)


@pytest.mark.parametrize("scale", [0.2, 5.0])
def test_every_proof_counts_the_lipschitz_constant(scale: float) -> None:
    """Scaling the embedding and its constant alike changes no interval and no radius in pixels, save the paper's."""
    one, scaled = (Seen(ProjectionCosine(192, scale=s), PAIR) for s in (1.0, scale))
    for bound, wanted in zip(*(interval_proof(seen, "moving", "fixed", 0.3) for seen in (scaled, one)), strict=True):
        torch.testing.assert_close(bound, wanted, rtol=1e-5, atol=1e-5)
    proofs = [decision_proof(seen, "moving", "fixed", 0.8) for seen in (scaled, one)]
    torch.testing.assert_close(*(proof.radius + proof.error for proof in proofs))
    x, a, b = (random_images(4, 8, seed=seed) for seed in (1, 2, 3))
    share = torch.tensor([0.0, 0.0, 1.0, 1.0])
    batch = Triplets(x, a, b, share, share, ("a", "b", "c", "d"))
    papers = [certify(Paper(), seen.metric, batch) for seen in (scaled, one)]
    assert (papers[1].radius > 0).any()
    torch.testing.assert_close((papers[0].radius + papers[0].error) * scale, papers[1].radius + papers[1].error)


def test_no_radius_exceeds_what_two_images_can_differ_by() -> None:
    proof = decision_proof(Seen(PixelL2(), PAIR), "moving", "fixed", 1000.0)
    assert proof.radius.tolist() == pytest.approx([192**0.5] * 4)


def test_a_metric_without_a_constant_is_refused() -> None:
    for prove in (interval_proof, decision_proof):
        with pytest.raises(UserError, match="wants an embedding with a known Lipschitz constant, which SSIM has not"):
            prove(Seen(SSIM(), PAIR), "moving", "fixed", 0.1)


def test_the_reserve_is_eight_times_the_error_and_32_units_in_the_last_place() -> None:
    answered, exact = torch.tensor([0.5, 2.0]), torch.tensor([0.5, 1.75], dtype=torch.float64)
    assert reserve(answered, exact).tolist() == [32 * 2**-23 * 0.5, 8 * 0.25 + 32 * 2**-23 * 1.75]


def test_an_unbounded_radius_loses_nothing_that_counts() -> None:
    ideal, claimed = torch.tensor([math.inf, 2.0, 1.0]), torch.tensor([5.0, 1.5, 1.25])
    assert taken_off(ideal, claimed).tolist() == [0.0, 0.5, 0.0]
