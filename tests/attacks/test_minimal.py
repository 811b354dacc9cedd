"""DDN and FMN: the nearest flip where it is known, and the best of the walk, not its end."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.ddn import DDN
from perceptbench.attacks.fmn import FMN, L2FMN, LinfFMN
from perceptbench.attacks.norms import size
from perceptbench.attacks.objectives import FlipPreference
from perceptbench.attacks.smallest import Smallest, annealed
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.attack_setting import Setting, run_each
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.testing.samples import generator, radius_in, random_images, subset, triplets
from perceptbench.triplets.base import Triplets

MADE: tuple[Attack, ...] = (DDN(), L2FMN(), LinfFMN())
each_attack = pytest.mark.parametrize("made", MADE, ids=["l2-ddn", "l2-fmn", "linf-fmn"])


class Plane(Objective):
    """<w, x> - level: the distance to the flip is |loss| over the dual norm of w. Keeps what it saw."""

    def __init__(self, w: Images, level: PerImage) -> None:
        self.w, self.level = w, level
        self.seen: list[Images] = []

    def loss(self, x: Images) -> PerImage:
        self.seen.append(x.detach().clone())
        return (self.w * x).sum((1, 2, 3)) - self.level

    def reached(self, loss: PerImage) -> Mask:
        return loss >= 0

    def select(self, index: Tensor) -> "Plane":
        return Plane(self.w[index], self.level[index])


def plane(gap: float, n: int = 2, side: int = 6) -> tuple[Plane, Images]:
    """A plane at this loss below zero from mid-grey images, with pixels to spare on either side."""
    w = torch.randn(n, 3, side, side, generator=generator(1))
    x = torch.full_like(w, 0.5)
    return Plane(w, (w * x).sum((1, 2, 3)) + gap), x


def noise_for(x: Images) -> Noise:
    return Noise.make(0, [str(i) for i in range(len(x))])


@each_attack
@pytest.mark.parametrize("side", [6, 32])
def test_the_distance_of_a_plane_is_found_within_two_percent(made: Attack, side: int) -> None:
    batch = triplets([0.03, 0.1, 0.2, 0.4, 0.8], height=side, seed=1)
    exact = radius_in(made.norm, batch)
    outcome = Setting(made, "", PixelL2(), batch).run(5 * float(exact.max()))[0]
    assert outcome.broken.all()
    assert (outcome.size >= 0.9999 * exact).all()
    assert (outcome.size <= 1.02 * exact).all()


@pytest.mark.parametrize("made", [DDN(init_norm=0.1), L2FMN()], ids=["l2-ddn", "l2-fmn"])
@pytest.mark.parametrize("seed", range(3))
def test_the_distance_of_a_curved_decision_is_found_within_two_percent(made: Attack, seed: int) -> None:
    metric = ProjectionCosine(192, seed=seed)
    batch = triplets([0.2] * 4, seed=seed)
    with torch.no_grad():
        d0, d1 = metric.prepare(batch.left, batch.right).distances(batch.reference)
    label = (d1 < d0).float()
    batch = Triplets(batch.reference, batch.left, batch.right, label, label, batch.ids)
    exact, direction = metric.exact(batch)
    outcome = Setting(made, "", metric, batch).run(2.0)[0]
    assert outcome.broken.all()
    assert (outcome.size >= 0.9999 * exact).all()
    assert (outcome.size <= 1.02 * exact).all()
    moved = (outcome.adversarial - batch.reference).double()
    assert ((moved * direction).sum((1, 2, 3)) > 0.98 * outcome.size).all()


@each_attack
def test_the_smallest_flip_is_kept_though_the_walk_ends_far_from_it(made: Attack) -> None:
    """From the sixtieth look on nothing counts as a flip, so norms grow until the end."""
    batch = triplets([0.2, 0.3], seed=2)
    inner = FlipPreference.make(PixelL2(), batch.left, batch.right, batch.label)
    sizes: list[Tensor] = []

    class Forgetful(Objective):
        def loss(self, x: Images) -> PerImage:
            loss = inner.loss(x)
            there = (loss >= 0) & (len(sizes) < 60)
            sizes.append(torch.where(there, size(x - batch.reference, made.norm), torch.inf))
            self.last = size(x.detach() - batch.reference, made.norm)
            return loss

        def reached(self, loss: PerImage) -> Mask:
            return (loss >= 0) & (len(sizes) <= 60)

    objective = Forgetful()
    found = made(objective, batch.reference, 1.0, noise_for(batch.reference))
    smallest = torch.stack(sizes).amin(0)
    assert smallest.isfinite().all()
    assert (objective.last > 1.2 * smallest).all()
    torch.testing.assert_close(size(found - batch.reference, made.norm), smallest, rtol=1e-6, atol=0)
    assert (inner.value(found) >= 0).all()


@each_attack
def test_the_last_image_counts_too(made: Attack) -> None:
    """One look at the clean image and one step: the flip is at the image after it."""
    objective, x = plane(gap=0.5)
    few = type(made)(steps=1)  # type: ignore[call-arg]
    found = few(objective, x + 1e-3 * objective.w, 1.0, noise_for(x))
    assert len(objective.seen) == 2
    flipped = objective.reached(objective.value(objective.seen[1]))
    assert torch.equal(found[flipped], objective.seen[1][flipped])


@each_attack
def test_the_walk_begins_at_the_image_and_a_lost_one_stays_there(made: Attack) -> None:
    batch = triplets([0.2, 0.3, 0.4], seed=3)
    label = torch.where(torch.arange(3) == 1, 1 - batch.label, batch.label)
    mixed = Triplets(batch.reference, batch.left, batch.right, label, label, batch.ids)
    objective = Setting(made, "", PixelL2(), mixed).objective()
    found = made(objective, mixed.reference, 1.0, Noise.make(0, mixed.ids))
    assert torch.equal(found[1], mixed.reference[1])
    keep = torch.tensor([0, 2])
    alone = subset(mixed, keep)
    again = made(objective.select(keep), alone.reference, 1.0, Noise.make(0, alone.ids))
    torch.testing.assert_close(found[keep], again, rtol=0, atol=1e-5)


@each_attack
def test_nothing_is_asked_twice_where_all_is_lost(made: Attack) -> None:
    objective, x = plane(gap=-1.0)
    assert torch.equal(made(objective, x, 1.0, noise_for(x)), x)
    assert len(objective.seen) == 1


@each_attack
def test_the_clean_image_comes_back_where_nothing_flips(made: Attack) -> None:
    objective, x = plane(gap=1e6)
    found = made(objective, x, 1.0, noise_for(x))
    assert torch.equal(found, x)
    assert all(seen.isfinite().all() and seen.min() >= 0 and seen.max() <= 1 for seen in objective.seen)


@each_attack
def test_images_without_room_stay_in_range(made: Attack) -> None:
    """Black and white pixels: half of every step is cut off, and the flip is found all the same."""
    x = random_images(4, 8, seed=5).round()
    w = torch.randn(x.shape, generator=generator(6))
    # Ten per cent of the loss that the box allows.
    room = ((w > 0).float() - x).mul(w).sum((1, 2, 3))
    objective = Plane(w, (w * x).sum((1, 2, 3)) + 0.1 * room)
    found = made(objective, x, 1.0, noise_for(x))
    assert found.min() >= 0
    assert found.max() <= 1
    assert objective.reached(objective.value(found)).all()


def test_ddn_shrinks_its_norm_after_a_flip_and_grows_it_after_none() -> None:
    objective, x = plane(gap=2.0)
    DDN(steps=30, init_norm=0.1, gamma=0.1)(objective, x, 1.0, noise_for(x))
    sizes = torch.stack([size(seen - x, "l2") for seen in objective.seen])
    flipped = torch.stack([objective.reached(objective.value(seen)) for seen in objective.seen[:31]])
    assert (sizes[0] == 0).all()
    torch.testing.assert_close(sizes[1], torch.full((2,), 0.11, dtype=torch.float64), rtol=1e-4, atol=0)
    ratio = sizes[2:31] / sizes[1:30]
    torch.testing.assert_close(ratio, torch.where(flipped[1:30], 0.9, 1.1).double(), rtol=1e-4, atol=0)
    assert flipped.any(0).all()
    assert not flipped.all(0).any()


@pytest.mark.parametrize("made", [L2FMN(steps=1), LinfFMN(steps=1, alpha=1e4)], ids=["l2", "linf"])
def test_fmn_goes_straight_to_the_linearised_boundary(made: FMN) -> None:
    """The first radius is |loss| over the dual norm: a long step projected there ends on the plane."""
    objective, x = plane(gap=0.7)
    made(objective, x, 1.0, noise_for(x))
    dual = objective.w.flatten(1).norm(p=2 if made.norm == "l2" else 1, dim=1)
    torch.testing.assert_close(size(objective.seen[1] - x, made.norm).float(), 0.7 / dual, rtol=1e-4, atol=0)
    assert (objective.value(objective.seen[1]).abs() < 2e-3).all()


class Understated(Plane):
    """Its gradient is a tenth of what it should be: the linearised boundary is ten times too far."""

    def gradient(self, x: Images) -> tuple[PerImage, Images]:
        loss, gradient = super().gradient(x)
        return loss, 0.1 * gradient


def test_fmn_leaves_the_linearised_distance_behind_at_the_first_flip() -> None:
    """Then the radius is at most the smallest flip, and grows by gamma alone."""
    true, x = plane(gap=1.0)
    objective = Understated(true.w, true.level)
    distance = 1.0 / true.w.flatten(1).norm(dim=1)
    L2FMN(steps=40, alpha=float(distance.min()) / 2)(objective, x, 1.0, noise_for(x))
    for i in range(len(x)):
        sizes = [float(size(seen - x, "l2")[i]) for seen in objective.seen[:41]]
        first = next(k for k, value in enumerate(sizes) if value >= distance[i])
        assert sizes[first] < 5 * distance[i]
        assert sizes[first + 1] <= sizes[first] * (1 + 1e-4)
        later = sizes[first:]
        assert all(b <= 1.051 * a for a, b in pairwise(later))


@each_attack
def test_the_scale_of_the_loss_changes_nothing(made: Attack) -> None:
    """Only directions, and quotients of loss and gradient, are used."""
    metric = ProjectionCosine(192, seed=4)
    batch = triplets([0.2, 0.3], seed=4)
    inner = FlipPreference.make(metric, batch.left, batch.right, batch.label)

    class Scaled(Objective):
        def __init__(self, factor: float) -> None:
            self.factor = factor

        def loss(self, x: Images) -> PerImage:
            return self.factor * inner.loss(x)

        def reached(self, loss: PerImage) -> Mask:
            return loss >= 0

    few = type(made)(steps=15)  # type: ignore[call-arg]
    one, small, large = (few(Scaled(f), batch.reference, 1.0, noise_for(batch.reference)) for f in (1.0, 2e-4, 5e3))
    assert not torch.equal(one, batch.reference)
    torch.testing.assert_close(small, one, rtol=0, atol=1e-4)
    torch.testing.assert_close(large, one, rtol=0, atol=1e-4)


def test_fmn_moves_its_radius_less_and_less() -> None:
    """Around the plane the sizes swing by gamma, at the end by a thousandth."""
    objective, x = plane(gap=1.0)
    L2FMN(steps=100)(objective, x, 1.0, noise_for(x))
    sizes = torch.stack([size(seen - x, "l2") for seen in objective.seen])
    change = (sizes[2:] / sizes[1:-1] - 1).abs()
    assert (change[-10:] < 0.003).all()
    assert (change[:40].amax(0) > 0.02).all()


def test_annealing_is_half_a_cosine() -> None:
    assert annealed(1.0, 0.01, 0, 100) == 1.0
    assert annealed(1.0, 0.01, 50, 100) == pytest.approx(0.505)
    assert annealed(1.0, 0.01, 100, 100) == pytest.approx(0.01)
    steps = [annealed(1.0, 0.01, i, 100) for i in range(101)]
    assert steps == sorted(steps, reverse=True)


def test_smallest_takes_only_flips_that_are_smaller() -> None:
    x = random_images(3, 4, seed=1)
    smallest = Smallest.none_yet(x)
    smallest.update(x + 1, torch.tensor([2.0, 2.0, 2.0]), torch.tensor([True, True, False]))
    assert smallest.found.tolist() == [True, True, False]
    smallest.update(x + 2, torch.tensor([3.0, 1.0, 0.5]), torch.tensor([True, True, False]))
    assert torch.equal(smallest.best, torch.stack([x[0] + 1, x[1] + 2, x[2]]))
    assert smallest.size.tolist() == [2.0, 1.0, torch.inf]
    assert not smallest.settled


@each_attack
def test_nothing_is_found_within_the_exact_radius(made: Attack) -> None:
    batch = triplets([0.1, 0.3], seed=7)
    exact = radius_in(made.norm, batch)
    setting = Setting(made, "", PixelL2(), batch)
    assert not any(run_each(setting, 0.999 * exact).broken)
    assert all(run_each(setting, 1.03 * exact).broken)
