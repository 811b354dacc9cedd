"""What every registered certifier keeps to: certified <= exact <= any flip, wherever it is sound."""

import pytest
import torch

from perceptbench.certifiers.base import Certifier, certifier
from perceptbench.certifiers.certify import certify
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import CosineLipschitzMetric
from perceptbench.metrics.classical.pixel import PSNR, PixelL2
from perceptbench.testing import CertifierContract
from perceptbench.testing.attack_setting import Setting, small_attack, small_certifier
from perceptbench.testing.certifier_contract import CASES, KNOWN, exact_radius, fits
from perceptbench.testing.known_metrics import LiftedProjection, ProjectionCosine, tiny_lipsim
from perceptbench.testing.samples import generator, moved_across, random_images, random_triplets
from perceptbench.triplets.base import Triplets

# `hash` knows no Lipschitz metric: tests/certifiers/test_hash.py.
NAMES = [name for name in certifier.names() if name != "hash"]


class TestCertifiers(CertifierContract):
    """Each by its name, with few draws."""

    @pytest.fixture(params=NAMES)
    def subject(self, request: pytest.FixtureRequest) -> Certifier:
        return small_certifier(request.param)


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_about_cosines_refuses_a_metric_here(name: str) -> None:
    refused = [case for case in CASES if not fits(small_certifier(name), case)]
    assert not any(isinstance(CASES[case][0], CosineLipschitzMetric) for case in refused)


def test_a_tie_between_different_anchors_has_no_radius() -> None:
    """The reference on the bisector, exactly: mirrored anchors."""
    reference = torch.full((2, 3, 8, 8), 0.5)
    away = (random_images(2, 8, seed=1) * 64).round() / 256
    label = torch.tensor([0.0, 1.0])
    batch = Triplets(reference, reference - away, reference + away, label, label, ("a", "b"))
    for metric in (PixelL2(), PSNR()):
        assert certify(certifier.build(Ref("margin")), metric, batch).radius.tolist() == [0.0, 0.0]


def test_distances_below_psnrs_floor_are_a_tie_without_radius() -> None:
    reference = torch.zeros(1, 3, 8, 8)
    pixel = torch.zeros_like(reference)
    pixel[0, 0, 0, 0] = 2.0**-40
    label = torch.ones(1)
    batch = Triplets(reference, reference + 8 * pixel, reference + pixel, label, label, ("a",))
    metric = PSNR()
    d0, d1 = metric.prepare(batch.left, batch.right).distances(batch.reference)
    assert d0 == d1
    assert certify(certifier.build(Ref("margin")), metric, batch).radius.tolist() == [0.0]


@pytest.mark.parametrize("case", KNOWN)
def test_margin_is_exact(case: str) -> None:
    """The flip is there at 1.001 of the radius and not at 0.999; the error taken off is small."""
    metric, batch = CASES[case]
    exact = exact_radius(case)
    proof = certify(certifier.build(Ref("margin")), metric, batch)
    assert (proof.radius < exact).all()
    assert (proof.radius + proof.error >= exact * (1 - 1e-9)).all()
    assert (proof.radius > exact * (1 - 1e-3)).all() or case.startswith(("l2 far", "psnr", "cosine"))
    assert (proof.radius > exact * (1 - 2e-2)).all()
    double = metric.double()
    anchors = double.prepare(batch.left.double(), batch.right.double())
    for factor, flipped in ((0.999, False), (1.001, True)):
        if isinstance(metric, ProjectionCosine):
            radius, direction = metric.exact(batch)
            moved = batch.reference.double() + factor * radius[:, None, None, None] * direction
        else:
            moved = moved_across(batch, factor)
        d0, d1 = anchors.distances(moved)
        assert (batch.sign * (d0 - d1) < 0).tolist() == [flipped] * len(batch.ids)


def test_error_taken_off_is_below_a_thousandth_where_answers_are_clear() -> None:
    metric = ProjectionCosine(192)
    batch = random_triplets(16, 8, 8, metric)
    exact, _ = metric.exact(batch)
    clear = exact > 0.1
    proof = certify(certifier.build(Ref("margin")), metric, batch)
    assert clear.sum() >= 8
    assert (proof.radius[clear] < exact[clear]).all()
    assert (proof.radius[clear] > 0.999 * exact[clear]).all()


def test_the_error_covers_a_forward_pass_that_is_off() -> None:
    """A metric whose float32 pass is much worse than its float64 pass: the radius gives way."""

    class Sloppy(ProjectionCosine):
        def embed(self, x: torch.Tensor) -> torch.Tensor:
            g = super().embed(x)
            return g if x.dtype == torch.float64 else g + 0.05 * torch.randn(g.shape, generator=generator(1))

    batch = random_triplets(6, 8, 4, ProjectionCosine(192))
    careful = certify(certifier.build(Ref("margin")), ProjectionCosine(192), batch).radius
    sloppy = certify(certifier.build(Ref("margin")), Sloppy(192), batch).radius
    assert (sloppy < 0.98 * careful).all()


def test_tsuzuku_is_at_most_paper() -> None:
    for case in ("cosine", "lipsim"):
        tsuzuku, paper = (certify(certifier.build(Ref(n)), *CASES[case]).radius for n in ("tsuzuku", "paper"))
        assert (tsuzuku <= paper).all()
        assert (tsuzuku > 0).all()


def test_tsuzuku_is_half_the_cosine_margin_over_l() -> None:
    metric, batch = CASES["cosine of a large embedding"]
    d0, d1 = metric.double().prepare(batch.left.double(), batch.right.double()).distances(batch.reference.double())
    proof = certify(certifier.build(Ref("tsuzuku")), metric, batch)
    torch.testing.assert_close(proof.radius + proof.error, (d0 - d1).abs() / 2 / metric.lipschitz)


@pytest.mark.parametrize("name", ["paper", "tsuzuku"])
def test_what_assumes_a_unit_embedding_is_no_promise_for_a_raw_one(name: str) -> None:
    made = small_certifier(name)
    assert not made.sound(ProjectionCosine(192))
    assert not made.sound(tiny_lipsim())

    assert made.sound(LiftedProjection(192))
    assert made.promise(LiftedProjection(192)).startswith("proof")
    assert made.promise(ProjectionCosine(192)).startswith("not sound")
    assert certifier.build(Ref("margin")).sound(ProjectionCosine(192))
    with pytest.raises(UserError, match=f"'{name}' is about cosine"):
        made.sound(PixelL2())


def test_the_papers_radius_is_too_large_where_the_embedding_is_short() -> None:
    """g = identity, |g(x)| = .3: claimed .0172, the answer flips at .0052 (certificates, section 1)."""

    class Plane(CosineLipschitzMetric):
        def embed(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)[:, :2] - 0.5

        def double(self) -> "Plane":
            return self

    def at(degrees: float, length: float) -> torch.Tensor:
        turned = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
        image = torch.full((1, 12), 0.5)
        image[0, 0] += float(length * turned.cos())
        image[0, 1] += float(length * turned.sin())
        return image.view(1, 3, 2, 2)

    lean = float(torch.rad2deg(torch.asin(torch.tensor(0.0172, dtype=torch.float64))))
    one = torch.ones(1)
    batch = Triplets(at(lean, 0.3), at(-40, 0.4), at(40, 0.4), one, one, ("a",))
    radius = {name: float(certify(certifier.build(Ref(name)), Plane(), batch).radius) for name in ("margin", "paper")}
    assert radius["paper"] == pytest.approx(0.0172, abs=5e-5)
    assert radius["margin"] == pytest.approx(0.3 * 0.0172, abs=2e-5)
    assert radius["margin"] <= 0.0052
    outcome = Setting(small_attack("l2-apgd-ce"), "l2-apgd-ce", Plane(), batch).run(0.0052)[0]
    assert outcome.broken.all()
    assert float(outcome.size) < radius["paper"] / 3


@pytest.mark.parametrize("side", ["left", "right"])
def test_an_anchor_without_embedding_is_certified_only_as_far_as_it_holds(side: str) -> None:
    """g(anchor) = 0 has cosine distance 1/2 from everything: the flip is nearer than the plane."""
    metric = ProjectionCosine(192)
    grey = torch.full((1, 3, 8, 8), 0.5)
    reference, other = random_images(1, 8, seed=3), random_images(1, 8, seed=4)
    other = (0.9 * reference + 0.1 * other).clamp(0, 1)
    label = torch.tensor([1.0 if side == "left" else 0.0])
    left, right = (grey, other) if side == "left" else (other, grey)
    batch = Triplets(reference, left, right, label, label, ("a",))
    radius = certify(certifier.build(Ref("margin")), metric, batch).radius
    if float(radius) > 0:
        outcome = Setting(small_attack("l2-apgd-ce"), "l2-apgd-ce", metric, batch).run(0.999 * float(radius))[0]
        assert not outcome.broken.any()
