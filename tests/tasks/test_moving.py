"""Who moves, towards what, and within which set: against closed forms of pixel l2."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from perceptbench.attacks.norms import change, size
from perceptbench.attacks.running.judge import Outcome
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.eight_bit import EightBit, on_grid, rounded
from perceptbench.attacks.threats.lp import Ball
from perceptbench.attacks.threats.stacked import Balls, separate, stack, unstack
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, PerImage
from perceptbench.core.threat import Move, Threat
from perceptbench.metrics.base import Metric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.tasks.base import Aim
from perceptbench.tasks.compared import Compared
from perceptbench.tasks.drift import Drift
from perceptbench.tasks.preference import Preference
from perceptbench.testing.attack_setting import small_attack
from perceptbench.testing.samples import l2_radius, random_images, random_triplets, triplets
from perceptbench.triplets.base import Entry, Triplets, TripletSource

L2 = Ball("l2")
RADII = [0.1, 0.2, 0.4, 0.8]


@dataclass(frozen=True)
class Asked:
    """One task of one batch, as a run asks it."""

    task: Any
    prepared: Compared
    threat: ThreatSet

    @property
    def x(self) -> Images:
        return self.task.moving(self.prepared)

    @property
    def objective(self) -> Any:
        return self.task.objective(self.prepared)

    def images(self, changed: Images) -> tuple[Images, Images, Images]:
        return self.prepared.images(changed)


def asked(
    metric: Metric, batch: Triplets, move: Move = "reference", threat: ThreatSet = L2, goal: str = "flip",
    by_embedding: bool = False,
) -> Asked:  # fmt: skip
    task = Preference() if goal == "flip" else Drift()
    return Asked(task, task.prepare(metric, batch, Aim(goal, move, by_embedding), {}), threat)


def attacked(task: Asked, batch: Triplets, *budgets: float, name: str = "l2-apgd-ce") -> list[Outcome]:
    skip = torch.zeros(len(budgets), len(batch.ids), dtype=torch.bool)
    noise = Noise.make(0, batch.ids)
    return list(run_attack(small_attack(name), name, task.objective, task.x, budgets, skip, noise, task.threat))


def gap(batch: Triplets) -> torch.Tensor:
    """d(reference, farther) - d(reference, nearer): how far a side image must move under pixel l2."""
    to_left, to_right = ((batch.reference - side).flatten(1).norm(dim=1) for side in (batch.left, batch.right))
    return (to_left - to_right).abs().double()


@pytest.mark.parametrize("move", ["left", "right"])
def test_a_side_image_flips_beyond_the_gap_of_distances_and_not_within(move: Move) -> None:
    batch = triplets(RADII, seed=3)
    exact = gap(batch)
    for i in range(len(RADII)):
        one = replace(batch.mapped(lambda t, i=i: t[i : i + 1]), ids=batch.ids[i : i + 1])
        task = asked(PixelL2(), one, move)
        inside, outside = (attacked(task, one, factor * float(exact[i]))[0] for factor in (0.999, 1.05))
        assert not inside.broken.any()
        assert outside.broken.all()
        reference, left, right = task.images(outside.adversarial)
        assert reference is one.reference
        assert (left is one.left) == (move == "right")
        assert (right is one.right) == (move == "left")
        d0, d1 = ((reference - side).flatten(1).norm(dim=1) for side in (left, right))
        assert ((2 * one.label - 1) * (d0 - d1) <= 1e-6).all()


def test_a_side_image_of_an_asymmetric_metric_is_its_second_argument() -> None:
    class OneSided(Metric):
        symmetric = False

        def __call__(self, x: Images, y: Images) -> PerImage:
            return (x - 2 * y).square().sum((1, 2, 3))

    metric = OneSided()
    batch = random_triplets(4, 8, 1, PixelL2())
    for move in ("left", "right"):
        task = asked(metric, batch, move)  # type: ignore[arg-type]
        moved = random_images(4, 8, seed=9)
        reference, left, right = task.images(moved)
        expected = (2 * batch.label - 1) * (metric(reference, right) - metric(reference, left))
        torch.testing.assert_close(task.objective.value(moved), expected)


def test_all_three_share_one_budget() -> None:
    """Together they need less than the reference alone, and their changes as one vector stay within eps."""
    batch = triplets(RADII, seed=4)
    alone = l2_radius(batch)
    task = asked(PixelL2(), batch, "all")
    outcome = attacked(task, batch, 0.9 * float(alone[2]))[0]
    assert outcome.broken.tolist() == [True, True, True, False]
    changes = torch.stack(
        [size(change(a, b), "l2") for a, b in zip(unstack(outcome.adversarial), unstack(task.x), strict=True)]
    )
    torch.testing.assert_close(changes.square().sum(0).sqrt(), outcome.size)
    assert (outcome.size <= outcome.eps).all()
    assert (changes[:, 0] > 0).all()


def test_each_image_keeps_its_own_budget() -> None:
    batch = triplets(RADII, seed=5)
    task = asked(PixelL2(), batch, "all", separate(Ball("l2"), 0.05, 0.1))
    for outcome in attacked(task, batch, 0.1, 0.36):
        reference, left, right = (
            size(change(a, b), "l2") for a, b in zip(unstack(outcome.adversarial), unstack(task.x), strict=True)
        )
        assert (left <= 0.05).all()
        assert (right <= 0.1).all()
        torch.testing.assert_close(reference, outcome.size)
        assert (outcome.size <= outcome.eps).all()
    # |d1 - d0| falls by at most 2 * 0.36 + 0.05 + 0.1, and by nearly that much where anchors lie opposite.
    assert outcome.broken.tolist() == [True, True, True, False]


def test_side_images_without_budget_stay_where_they_are() -> None:
    batch = triplets(RADII, seed=6)
    exact = l2_radius(batch)
    task = asked(PixelL2(), batch, "all", separate(Ball("l2"), 0.0, 0.0))
    outcome = attacked(task, batch, 1.2 * float(exact[1]))[0]
    assert outcome.broken.tolist() == [True, True, False, False]
    assert torch.equal(unstack(outcome.adversarial)[1], batch.left)
    assert torch.equal(unstack(outcome.adversarial)[2], batch.right)


def test_a_change_beyond_a_side_budget_measures_infinite() -> None:
    ball = Balls("l2", left=0.1, right=0.2)
    one = torch.zeros(1, 3, 4, 4)
    one[0, 0, 0, 0] = 0.15
    nothing = torch.zeros_like(one)
    clean = stack(nothing, nothing, nothing)
    assert ball.measure(clean, stack(one, nothing, nothing)).tolist() == pytest.approx([0.15])
    assert ball.measure(clean, stack(nothing, one, nothing)).tolist() == [torch.inf]
    assert ball.measure(clean, stack(nothing, nothing, one)).tolist() == [0.0]


@pytest.mark.parametrize("name", ["l2-apgd-ce", "linf-pgd", "l2-square", "l2-fab", "linf-fab", "l2-aa"])
def test_quantized_images_are_of_eight_bits_and_inside(name: str) -> None:
    batch = triplets([0.1, 0.2, 0.4], height=32, seed=7).redrawn(on_grid)
    norm = "linf" if name.startswith("linf") else "l2"
    task = asked(PixelL2(), batch, threat=rounded(Ball(norm)))  # type: ignore[arg-type]
    eps = 0.6 if norm == "l2" else 0.035
    outcome = attacked(task, batch, eps, name=name)[0]
    image = outcome.adversarial
    torch.testing.assert_close((image * 255).round() / 255, image, rtol=0, atol=1e-7)
    assert (outcome.size <= eps).all()
    if "square" not in name:
        assert outcome.broken.all()
    margins = [(image - side).flatten(1).norm(dim=1) for side in (batch.left, batch.right)]
    lost = (2 * batch.label - 1) * (margins[0] - margins[1]) <= 0
    assert torch.equal(lost, outcome.broken)


def test_rounding_never_leaves_the_ball() -> None:
    x = on_grid(random_images(5, 16, seed=1))
    for eps in (0.01, 0.1, 0.5):
        candidate = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
        fitted = EightBit(Ball("l2")).fit(candidate, x, eps)
        assert (size(change(fitted, x), "l2") <= eps).all()
        torch.testing.assert_close(on_grid(fitted), fitted, rtol=0, atol=1e-7)
    assert (size(change(fitted, x), "l2") > 0.8 * eps).all()


@pytest.mark.parametrize(("goal", "by_embedding"), [("push", False), ("push", True), ("pull", False), ("pull", True)])
def test_push_and_pull_move_by_the_whole_budget(goal: str, by_embedding: bool) -> None:
    """Under pixel l2 an image gets eps away from itself, and eps nearer to another one."""
    x = 0.4 + 0.2 * random_images(3, 8, seed=11)
    far = 0.4 + 0.2 * random_images(3, 8, seed=12)
    label = torch.tensor([1.0, 0.0, 1.0])
    side = label[:, None, None, None] == 1
    batch = Triplets(x, torch.where(side, far, x), torch.where(side, x, far), label, label, ("a", "b", "c"))
    task = asked(PixelL2(), batch, goal=goal, by_embedding=by_embedding)
    before = (x - far).flatten(1).norm(dim=1)
    for outcome in attacked(task, batch, 0.1, 0.3, name="l2-pgd"):
        assert not outcome.broken.any()
        target = x if goal == "push" else far
        after = (outcome.adversarial - target).flatten(1).norm(dim=1)
        expected = torch.full((3,), outcome.eps) if goal == "push" else before - outcome.eps
        torch.testing.assert_close(after, expected, rtol=2e-2, atol=1e-3)


def test_moving_images_and_budgets_must_fit() -> None:
    with pytest.raises(UserError, match="want --move all"):
        Threat("left", "l2", 0.1, 0.1)
    with pytest.raises(UserError, match="give both"):
        Threat("all", "l2", 0.1)


def test_a_minimal_attack_cut_to_its_budgets_is_run_at_each() -> None:
    """DDN by blocks cannot serve every eps: what it could not do at .1 it can at 2."""
    batch = triplets([0.3, 0.4, 0.5], seed=8)
    task = asked(PixelL2(), batch, "all", separate(Ball("l2"), 0.05, 0.05))
    first, last = attacked(task, batch, 0.1, 2.0, name="l2-ddn")
    assert not first.broken.any()
    assert last.broken.all()


@pytest.mark.parametrize("levels", [1, 2, 4, 8])
def test_a_budget_of_whole_levels_is_used_in_full(levels: int) -> None:
    x = on_grid(random_images(2, 24, seed=4))
    up = torch.where(random_images(2, 24, seed=5) < 0.5, -1.0, 1.0)
    eps = levels / 255
    fitted = EightBit(Ball("linf")).fit(x + eps * up, x, eps)
    assert ((fitted - x) * 255).abs().round().amax() == levels
    assert (EightBit(Ball("linf")).measure(x, fitted) <= eps).all()


def test_a_short_dense_change_is_not_swallowed_by_rounding() -> None:
    x = on_grid(0.25 + 0.5 * random_images(2, 64, seed=6))
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    eps = 0.07
    fitted = EightBit(Ball("l2")).fit(x + direction, x, eps)
    assert (size(change(fitted, x), "l2") <= eps).all()
    assert (size(change(fitted, x), "l2") > 0.8 * eps).all()


def test_backward_passes_are_counted_through_rounding_and_through_blocks() -> None:
    """Five steps are five gradients; two rounds over three images are six times as many."""
    batch = triplets([0.4, 0.6], seed=9).redrawn(on_grid)
    skip, noise = torch.zeros(1, 2, dtype=torch.bool), Noise.make(0, batch.ids)
    for task, steps in (
        (asked(PixelL2(), batch, threat=rounded(L2)), 5),
        (asked(PixelL2(), batch, "all", separate(L2, 0.01, 0.01)), 30),
    ):
        made = small_attack("l2-pgd", steps=5)
        (outcome,) = run_attack(made, "l2-pgd", task.objective, task.x, [0.01], skip, noise, task.threat)
        assert not outcome.broken.any()
        assert outcome.backwards.tolist() == [steps, steps]
        assert (outcome.forwards > outcome.backwards).all()


def test_a_mean_distance_wants_two_reference_images() -> None:
    """Three triplets of one photograph are one observation, and have no interval."""
    entries = [
        Entry(f"t{i}", 1.0, lambda: None, reference=reference) for i, reference in enumerate(["a", "a", "a", "b"])
    ]
    source = TripletSource("made up", tuple(entries), 0, "0" * 64)
    Drift().admit(source)
    Drift().admit(replace(source, entries=(replace(entries[0], reference=""), replace(entries[1], reference=""))))
    with pytest.raises(UserError, match="samples of two reference images or more, got one"):
        Drift().admit(replace(source, entries=source.entries[:3]))
