"""The bridge to foolbox: flips outside the exact radius and none inside, and what is refused."""

import pytest
import torch

from perceptbench.attacks.base import attack
from perceptbench.attacks.bridges.foolbox import _ANSWERS_ALONE, _EITHER, _L2, _LINF, _MINIMAL, _REFUSED
from perceptbench.attacks.objectives import FlipPreference
from perceptbench.attacks.running.counted import Counted, Tally
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.core.tensors import Mask, PerImage
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.attack_setting import Setting, run_each
from perceptbench.testing.samples import radius_in, triplets


@pytest.fixture
def upstream():
    return pytest.importorskip("foolbox", reason="the extra foolbox is not installed")


def built(name: str):  # type: ignore[no-untyped-def]
    return attack.build(Ref.parse(name))


@pytest.mark.parametrize(
    ("kind", "steps", "reach"),
    [
        (kind, 40, 1.25)
        for kind in (*_LINF, *_L2)
        if kind not in ("BoundaryAttack", "L2AdamPGD", "L2CarliniWagnerAttack")
    ]
    + [
        ("L2CarliniWagnerAttack", 60, 1.25),
        ("L2AdamPGD", 40, 2.0),
        ("BoundaryAttack", 600, 8.0),
        ("HopSkipJumpAttack", 6, 1.6),
    ],
)
def test_the_flip_is_found_outside_the_exact_radius_and_none_inside(upstream, kind, steps, reach) -> None:
    made = built(f"foolbox:{kind}(steps={steps})")
    batch = triplets([0.2], seed=2)
    exact = radius_in(made.norm, batch)
    setting = Setting(made, f"foolbox:{kind}", PixelL2(), batch)
    outside = run_each(setting, reach * exact)
    assert all(outside.broken)
    assert outside.size[0] >= 0.9999 * float(exact[0])
    if kind not in _ANSWERS_ALONE:
        assert not any(run_each(setting, 0.999 * exact).broken)


def test_every_name_is_a_class_of_upstream_with_the_kind_that_is_stated(upstream) -> None:
    attacks = upstream.attacks
    for kind in (*_LINF, *_L2, *_EITHER):
        minimal = issubclass(getattr(attacks, kind), attacks.base.MinimizationAttack)
        assert minimal == (kind in _MINIMAL), kind
    assert all(hasattr(attacks, kind) for kind in _REFUSED)


def test_the_norm_is_fixed_but_for_hop_skip_jump() -> None:
    assert attack.factory("foolbox")("L2PGD").norm == "l2"  # type: ignore[union-attr]
    with pytest.raises(UserError, match="foolbox:LinfPGD is an attack in linf, got norm=l2; leave norm out"):
        attack.factory("foolbox")("LinfPGD", norm="l2")
    assert attack.factory("foolbox")("HopSkipJumpAttack", norm="linf").norm == "linf"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("EADAttack", "budgets here are l2 or linf"),
        ("GaussianBlurAttack", "budgets here are l2 or linf"),
        ("L2BrendelBethgeAttack", "it needs numba"),
        ("GenAttack", "a forced choice has two"),
        ("l2pgd", "did you mean L2PGD"),
    ],
)
def test_what_cannot_run_is_refused_with_the_reason(kind: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        attack.factory("foolbox")(kind)


def test_a_start_that_fails_leaves_the_clean_image(upstream) -> None:
    class Never(FlipPreference):
        def loss(self, x: torch.Tensor) -> PerImage:
            return -super().loss(x).abs() - 1

        def reached(self, loss: PerImage) -> Mask:
            return loss >= 0

        def select(self, index: torch.Tensor) -> "Never":
            return Never(self.anchors.select(index), self.sign[index])

    batch = triplets([0.2], seed=3)
    goal = Never(PixelL2().prepare(batch.left, batch.right), batch.sign)
    for kind in _ANSWERS_ALONE:
        found = built(f"foolbox:{kind}(steps=3)")(goal, batch.reference, 1.0, Noise.make(0, batch.ids))
        assert torch.equal(found, batch.reference)


def test_passes_are_counted_and_draws_are_those_of_the_sample(upstream) -> None:
    batch, made = triplets([0.5], seed=4), built("foolbox:L2PGD(steps=7)")
    goal = FlipPreference.make(PixelL2(), batch.left, batch.right, batch.label)
    tally = Tally.zeros(1)
    images = [
        made(Counted(goal, tally, torch.arange(1)), batch.reference, 1e-3, Noise.make(seed, batch.ids))
        for seed in (0, 0, 1)
    ]
    assert tally.backwards.tolist() == [21]
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])
