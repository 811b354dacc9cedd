"""A distance has no natural unit: attacks do the same on every multiple of a metric. None ends worse than it began."""

import pytest
import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, attack
from perceptbench.attacks.norms import climb, power_of_two
from perceptbench.attacks.objectives import DistanceShift, EmbeddingShift
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.testing.attack_setting import Setting, small_attack
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.testing.samples import random_images, triplets
from perceptbench.triplets.base import Triplets

FLIPS = [
    "l2-pgd", "linf-pgd", "l2-apgd-ce", "linf-apgd-ce", "l2-fmn", "linf-fmn", "l2-fab", "linf-fab", "l2-square",
    "linf-square", "l2-ddn", "l2-aa",
]  # fmt: skip
ENDLESS = [
    name
    for name in attack.names()
    if not attack.inputs(name)
    and isinstance(made := attack.build(Ref(name)), Attack)
    and made.norm
    and not (made.minimal or made.flips_only)
]


class Times(ProjectionCosine):
    """A curved metric in another unit."""

    def __init__(self, factor: float) -> None:
        super().__init__(192, seed=5)
        self.factor = factor

    def compare(self, a: Tensor, b: Tensor) -> Tensor:
        return super().compare(a, b) * self.factor


class Stairs(ProjectionCosine):
    """Rounded, so that it has no gradient."""

    def compare(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.round(1e4 * super().compare(a, b)) / 1e4


def setting(name: str, factor: float) -> Setting:
    batch = triplets([0.05, 0.1, 0.2, 0.4], seed=3)
    with torch.no_grad():
        d0, d1 = Times(1).prepare(batch.left, batch.right).distances(batch.reference)
    label = (d1 < d0).float()
    batch = Triplets(batch.reference, batch.left, batch.right, label, label, batch.ids)
    return Setting(
        small_attack(name, steps=12, fmn_steps=12, fab_steps=12, queries=60, starts=1, gamma=0.2),
        name,
        Times(factor),
        batch,
    )


@pytest.mark.parametrize("name", FLIPS)
def test_a_power_of_two_changes_no_bit_and_no_factor_an_outcome(name: str) -> None:
    exact = float(Times(1.0).exact(setting(name, 1.0).batch)[0].median())
    budgets = [share * exact / (1 if name.startswith("l2") else 192**0.5) for share in (0.3, 1.1, 8.0)]
    plain = setting(name, 1.0).run(*budgets)
    assert len({int(one.broken.sum()) for one in plain}) > 1, "the case should tell outcomes apart"
    for factor in (2.0**-80, 1e-12, 1e12, 2.0**80):
        for one, other in zip(plain, setting(name, factor).run(*budgets), strict=True):
            assert torch.equal(other.broken, one.broken)
            assert other.size[one.broken].tolist() == pytest.approx(one.size[one.broken].tolist(), rel=0.02, abs=1e-6)
            if factor in (2.0**-80, 2.0**80):
                assert torch.equal(other.adversarial, one.adversarial)


@pytest.mark.parametrize("power", [-60, 60])
def test_moving_an_embedding_does_not_depend_on_its_unit(power: int) -> None:
    x = random_images(2, 8, seed=1)
    found = []
    for scale in (1.0, 2.0**power):
        goal = EmbeddingShift.make(ProjectionCosine(192, scale=scale), x)
        skip = torch.zeros(1, 2, dtype=torch.bool)
        found += run_attack(small_attack("l2-mse", steps=5), "l2-mse", goal, x, [0.1], skip, Noise.make(0, "ab"))
    assert torch.equal(found[0].adversarial, found[1].adversarial)


def test_a_gradient_too_small_to_square_is_followed_and_a_zero_one_is_not() -> None:
    x, gradient = torch.full((3, 3, 4, 4), 0.5), random_images(3, 4, seed=2) - 0.5
    gradient = gradient * torch.tensor([1.0, 2.0**-100, 0.0])[:, None, None, None]
    moved = climb(x, gradient, torch.full((3,), 0.1), "l2") - x
    assert moved.flatten(1).norm(dim=1).tolist() == pytest.approx([0.1, 0.1, 0.0], abs=1e-6)
    assert power_of_two(torch.tensor([[3.0, -5.0], [0.0, 0.0], [1.0, 0.5]])).tolist() == [0.125, 1.0, 0.5]


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("sign", [1, -1])
def test_push_and_pull_never_end_worse_than_the_clean_image(name: str, sign: int) -> None:
    """Without a gradient a random start is all there is, and for a pull it is a step back."""
    x, y = random_images(6, 8, seed=1), random_images(6, 8, seed=2)
    y = (x + 0.2 * (y - 0.5)).clamp(0, 1)
    metric = Stairs(192, seed=5)
    goal = DistanceShift(metric.prepare(x if sign == 1 else y), sign)
    made = small_attack(name, steps=3, queries=5)
    budgets = (0.05, 2.0) if made.norm == "l2" else (0.002, 0.1)
    skip = torch.zeros(2, 6, dtype=torch.bool)
    clean = goal.value(x)
    for outcome in run_attack(made, name, goal, x, budgets, skip, Noise.make(0, "abcdef")):
        after = goal.value(outcome.adversarial)
        assert (after >= clean).all()
        kept = (outcome.adversarial == x).flatten(1).all(1)
        assert torch.equal(outcome.size == 0, kept)
        assert (after > clean)[~kept].all()
