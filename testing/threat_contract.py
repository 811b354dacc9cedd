"""What every set of changes keeps to."""

import pytest
import torch
from hypothesis import given
from torch import Tensor

from perceptbench.attacks.norms import change, size
from perceptbench.attacks.objectives import DistanceShift
from perceptbench.attacks.pgd import PGD
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images
from perceptbench.core.threat import MOVES
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.contract import Contract, built, dense
from perceptbench.testing.said import close, finite
from perceptbench.testing.samples import generator, random_images
from perceptbench.testing.strategies import few, images

_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


class ThreatContract(Contract):
    """Derive from it, give the set in `made`, and pytest finds the tests.

    class TestMine(ThreatContract):
        eps = (0.5, 2.0)
        def made(self):
            return Mine()
    """

    eps: tuple[float, float] = (0.5, 2.0)
    """A small and a large size, in the unit of the set."""

    def made(self) -> ThreatSet:
        """The set."""
        raise NotImplementedError("give your set of changes: def made(self): return Mine()")

    def clean(self, x: Images) -> Images:
        """Images that the set is about, made of any images (n, 3, h, w) in [0, 1]; these images, unless overridden."""
        return x

    @pytest.fixture
    def subject(self) -> ThreatSet:
        """The set under test."""
        made: ThreatSet = built(self.made, ThreatSet)
        return made

    def test_states_what_it_is(self, subject: ThreatSet) -> None:
        assert subject.unit, "unit must say what eps counts, such as pixels"
        assert subject.norm in ("l2", "linf"), f"norm must be l2 or linf, that of a step in theta, got {subject.norm}"
        assert subject.proof in (None, "l2", "linf"), f"proof must be None, l2 or linf, got {subject.proof}"
        assert subject.moves, "moves must name the images that can move"
        assert set(subject.moves) <= set(MOVES), f"moves must be among {', '.join(MOVES)}, got {subject.moves}"
        assert 0 < self.eps[0] < self.eps[1], f"eps must be a small and a larger size, got {self.eps}"

    @few
    @given(x=images())
    def test_a_start_without_noise_is_no_change(self, subject: ThreatSet, x: Images) -> None:
        x = self.clean(x)
        for eps in self.eps:
            theta = subject.start(x, eps, None)
            assert len(theta) == len(x), f"theta must have one row an image, got {len(theta)} for {len(x)}"
            assert subject.measure(x, theta).tolist() == [0.0] * len(x), "no change must have size 0"
            same = torch.equal(subject.apply(x, theta), subject.unchanged(x))
            assert same, "no change must give exactly the same images"

    @few
    @given(x=images())
    def test_changed_images_are_images(self, subject: ThreatSet, x: Images) -> None:
        x = self.clean(x)
        kept = x.clone()
        for eps in self.eps:
            theta = subject.fit(subject.start(x, eps, _noise(x)), x, eps)
            changed = subject.apply(x, theta)
            dense(changed, x, "what apply gives")
            finite(changed, "apply must give finite images")
            assert changed.min() >= 0, "apply must give images in [0, 1]; clamp them"
            assert changed.max() <= 1, "apply must give images in [0, 1]; clamp them"
            assert not subject.pixels or torch.equal(changed, theta), "pixels = True says that theta is the image"
        assert torch.equal(x, kept), "the clean images must not be written into; clone them first"

    @few
    @given(x=images())
    def test_what_is_fitted_is_within_eps(self, subject: ThreatSet, x: Images) -> None:
        x = self.clean(x)
        for eps in self.eps:
            far = subject.start(x, 8 * eps, _noise(x))
            measured = subject.measure(x, subject.fit(far.clone(), x, eps))
            assert measured.dtype == torch.float64, f"measure must compute in float64, got {measured.dtype}"
            assert measured.shape == (len(x),), f"measure must give (n,), got {tuple(measured.shape)}"
            assert (measured >= 0).all(), "a size must not be negative"
            assert (measured <= eps).all(), f"fit must bring the measured size within {eps}, got {measured.tolist()}"
            once = subject.project(far.clone(), x, eps)
            close(
                subject.project(once.clone(), x, eps), once, "project must leave what is in the set, but for rounding"
            )

    @few
    @given(x=images())
    def test_sets_are_nested(self, subject: ThreatSet, x: Images) -> None:
        x = self.clean(x)
        small, large = self.eps
        theta = subject.fit(subject.start(x, 8 * large, _noise(x)), x, small)
        again = subject.project(theta.clone(), x, large)
        close(again, theta, "what is in the set of an eps must be in that of every larger one: project leaves it")

    @few
    @given(x=images())
    def test_a_larger_eps_leaves_more_of_a_far_change(self, subject: ThreatSet, x: Images) -> None:
        x = self.clean(x)
        for eps in self.eps:
            far = subject.start(x, 8 * eps, _noise(x))
            once, twice = (subject.measure(x, subject.fit(far.clone(), x, most)) for most in (eps, 2 * eps))
            assert (twice >= once * (1 - 1e-5)).all(), "of a far change, fit must leave no less at a larger eps"

    @few
    @given(x=images())
    def test_a_share_of_a_change_is_smaller(self, subject: ThreatSet, x: Images) -> None:
        x, eps = self.clean(x), self.eps[1]
        theta = subject.fit(subject.start(x, eps, _noise(x)), x, eps)
        parts = [subject.shrink(theta.clone(), x, torch.full_like(x[:, 0, 0, 0], share)) for share in _SHARES]
        sizes = torch.stack([subject.measure(x, part) for part in parts])
        assert (sizes[1:] >= sizes[:-1] * (1 - 1e-5)).all(), "a larger share of a change must not be smaller"
        same = torch.equal(subject.apply(x, parts[0]), subject.unchanged(x))
        assert same, "a share of 0 must give exactly the same images"
        assert (sizes[0] == 0).all(), "a share of 0 must have size 0"
        close(sizes[-1], subject.measure(x, theta), "a share of 1 must leave the change", rtol=1e-5, atol=1e-6)

    def test_the_same_noise_gives_the_same_change_and_another_noise_another(self, subject: ThreatSet) -> None:
        x, eps = self.clean(random_images(3, 8, seed=1)), self.eps[1]
        first, again, other = (subject.start(x, eps, _noise(x, seed)) for seed in (1, 1, 2))
        assert torch.equal(first, again), "the same noise must give the same theta; draw from the noise that is given"
        assert not torch.equal(first, other), "another noise must give another theta"

    def test_the_same_theta_gives_the_same_after_other_calls(self, subject: ThreatSet) -> None:
        x, eps = self.clean(random_images(2, 8, seed=1)), self.eps[1]
        other = self.clean(random_images(3, 8, seed=2))
        theta = subject.fit(subject.start(x, eps, _noise(x)), x, eps)
        first = subject.apply(x, theta.clone()), subject.measure(x, theta.clone())
        subject.measure(other, subject.fit(subject.start(other, eps, _noise(other)), other, eps))
        again = subject.apply(x, theta.clone()), subject.measure(x, theta.clone())
        same = all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
        assert same, "the same theta must give the same images and size after other calls; keep no state between calls"

    def test_a_row_does_not_notice_its_batch(self, subject: ThreatSet) -> None:
        x, eps = self.clean(random_images(3, 8, seed=2)), self.eps[0]
        together = _steps(subject, x, 8 * eps, eps, _noise(x))
        for row in range(len(x)):
            index = torch.tensor([row])
            alone = _steps(subject, x[index], 8 * eps, eps, _noise(x).select(index))
            for (what, whole), (_, one) in zip(together, alone, strict=True):
                close(one, whole[index], f"{what} of an image must not depend on its batch")

    def test_apply_is_differentiable_in_theta(self, subject: ThreatSet) -> None:
        """The slope along a random direction, against a difference quotient in float64."""
        draw = generator(3)
        x = self.clean(0.25 + 0.5 * random_images(2, 8, seed=3)).double()
        theta = subject.fit(subject.start(x, self.eps[0], _noise(x)), x, self.eps[0]).detach().double()
        way = torch.randn(theta.shape, generator=draw, dtype=torch.float64)
        weights = torch.randn(x.shape, generator=draw, dtype=torch.float64)
        moving = theta.clone().requires_grad_()
        changed = subject.apply(x, moving)
        assert changed.requires_grad, "apply must be differentiable in theta; use torch operations alone"
        (gradient,) = torch.autograd.grad((changed * weights).sum(), moving)
        step = 1e-6
        ahead, behind = (subject.apply(x, theta + sign * step * way) for sign in (1, -1))
        slope = ((ahead - behind) * weights).sum() / (2 * step)
        close((gradient * way).sum(), slope, "the gradient of apply must be its slope", rtol=1e-4, atol=1e-4)
        assert gradient.abs().sum() > 0, "the gradient of apply must not vanish everywhere"

    @few
    @given(x=images())
    def test_a_radius_in_the_norm_of_the_proof_covers_it(self, subject: ThreatSet, x: Images) -> None:
        if subject.proof is None:
            return
        x = self.clean(x)
        for eps in self.eps:
            theta = subject.fit(subject.start(x, eps, _noise(x)), x, eps)
            measured, moved = subject.measure(x, theta), size(change(subject.apply(x, theta), x), subject.proof)
            # EightBit counts whole levels, whatever float32 made of them.
            assert (moved <= measured * (1 + 1e-5)).all(), (
                f"proof = {subject.proof} says that no change is larger in this norm than its size; else proof is None"
            )

    @few
    @given(x=images())
    def test_its_l2_bound_covers_it_and_does_not_fall(self, subject: ThreatSet, x: Images) -> None:
        if not subject.bounded:
            return
        assert subject.proof is None, "a set states a proof or gives l2_bound, not both"
        x = self.clean(x)
        bounds = []
        for eps in self.eps:
            theta = subject.fit(subject.start(x, eps, _noise(x)), x, eps)
            moved = size(change(subject.apply(x, theta), x), "l2")
            bounds.append(subject.l2_bound(x, torch.full_like(x[:, 0, 0, 0], eps)))
            assert bounds[-1].shape == (len(x),), f"l2_bound must give (n,), got {tuple(bounds[-1].shape)}"
            assert (moved <= bounds[-1]).all(), "no change within eps may be larger in l2 than l2_bound says"
        assert (bounds[1] >= bounds[0]).all(), "l2_bound must not fall where eps grows"

    def test_an_attack_on_any_set_moves_images_and_stays_inside(self, subject: ThreatSet) -> None:
        x = self.clean(0.25 + 0.5 * random_images(2, 8, seed=4))
        metric, skip = PixelL2(), torch.zeros(2, 2, dtype=torch.bool)
        goal = DistanceShift(metric.prepare(x), 1)
        outcomes = run_attack(PGD(steps=5), "pgd", goal, x, self.eps, skip, _noise(x), subject)
        for outcome in outcomes:
            assert (outcome.size <= outcome.eps).all(), "what an attack finds must be within eps"
            assert (metric(x, outcome.adversarial) > 0).all(), "pgd must find a change that moves the image"


def _noise(x: Images, seed: int = 0) -> Noise:
    return Noise.make(seed, [f"image {i}" for i in range(len(x))])


def _steps(subject: ThreatSet, x: Images, far: float, eps: float, noise: Noise) -> list[tuple[str, Tensor]]:
    """Everything that a set does to images, by name."""
    theta = subject.start(x, far, noise)
    fitted = subject.fit(theta.clone(), x, eps)
    half = subject.shrink(fitted.clone(), x, torch.full_like(x[:, 0, 0, 0], 0.5))
    return [
        ("start", theta), ("project", subject.project(theta.clone(), x, eps)), ("fit", fitted), ("shrink", half),
        ("apply", subject.apply(x, half)), ("measure", subject.measure(x, fitted)),
    ]  # fmt: skip
