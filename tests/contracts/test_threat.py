"""What every registered set of changes keeps to, and those that options make of one."""

import pytest
import torch
from hypothesis import given

from perceptbench.attacks.norms import change, size
from perceptbench.attacks.threats.base import ThreatSet, threat
from perceptbench.attacks.threats.eight_bit import on_grid, rounded
from perceptbench.attacks.threats.lp import Ball
from perceptbench.attacks.threats.sent import Sent
from perceptbench.attacks.threats.stacked import Balls, separate, stack, unstack
from perceptbench.attacks.through.base import chain, named
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.core.tensors import Images
from perceptbench.testing import ThreatContract, images
from perceptbench.testing.samples import random_images
from perceptbench.testing.strategies import few

NAMES = [name for name in threat.names() if not threat.inputs(name)]


class TestThreats(ThreatContract):
    """Each by its name."""

    @pytest.fixture(params=NAMES)
    def subject(self, request: pytest.FixtureRequest) -> ThreatSet:
        return threat.build(Ref(request.param))


class TestEightBit(ThreatContract):
    """Balls of images that a PNG can hold."""

    @pytest.fixture(params=["l2", "linf"])
    def subject(self, request: pytest.FixtureRequest) -> ThreatSet:
        return rounded(Ball(request.param))

    def clean(self, x: Images) -> Images:
        return on_grid(x)


class TestSent(ThreatContract):
    """Balls whose images pass JPEG before they are judged."""

    @pytest.fixture(params=["l2", "linf"])
    def subject(self, request: pytest.FixtureRequest) -> ThreatSet:
        return Sent(Ball(request.param), chain(named(["resize(0.5),jpeg(60)"])))

    def test_apply_is_differentiable_in_theta(self, subject: ThreatSet) -> None:
        """Rounding has no slope: what stands for it is in tests/attacks/test_through.py."""
        x = 0.25 + 0.5 * random_images(2, 8, seed=3)
        theta = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((subject.apply(x, theta) * x).sum(), theta)
        assert gradient.abs().sum() > 0


class TestSeparateBalls(ThreatContract):
    """A ball for each of three images, stacked as one."""

    def made(self) -> ThreatSet:
        return separate(Ball("l2"), 0.3, 0.6)

    def clean(self, x: Images) -> Images:
        return stack(x, x.flip(3), x.flip(2))

    @few
    @given(x=images())
    def test_a_radius_in_the_norm_of_the_proof_covers_it(self, subject: ThreatSet, x: Images) -> None:
        """eps is that of the reference; the others have budgets of their own, and certificates know of them."""
        assert isinstance(subject, Balls)
        x = self.clean(x)
        theta = subject.fit(subject.start(x, 2.0, Noise.make(0, ["a"] * len(x))), x, 2.0)
        moved = [size(change(a, b), "l2") for a, b in zip(unstack(theta), unstack(x), strict=True)]
        torch.testing.assert_close(moved[0], subject.measure(x, theta))
        assert (moved[1] <= 0.3).all()
        assert (moved[2] <= 0.6).all()
