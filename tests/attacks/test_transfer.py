"""Attacks that follow other metrics: what they climb, momentum and diversity by their formulas, and what is refused."""

import pytest
import torch
from torch import Tensor

from perceptbench.attacks.base import Objective, attack
from perceptbench.attacks.diversity import LEAST, Diverse
from perceptbench.attacks.followed import JoinedGoals
from perceptbench.attacks.momentum import Momentum, WithMomentum
from perceptbench.attacks.objectives import DistanceShift, FlipPreference
from perceptbench.attacks.pgd import LinfPGD
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.samples import generator, random_images, triplets


class Slope(Objective):
    """<w, x> with its own gradient; each look is kept."""

    def __init__(self, w: Tensor) -> None:
        self.w, self.seen = w, list[Tensor]()

    def loss(self, x: Images) -> PerImage:
        self.seen.append(x.detach().clone())
        return (self.w * x).sum((1, 2, 3))

    def reached(self, loss: PerImage) -> Mask:
        return loss > 0

    def select(self, index: Tensor) -> "Slope":
        return Slope(self.w[index])


def weights(n: int, seed: int) -> Tensor:
    return torch.randn(n, 3, 6, 6, generator=generator(seed))


def test_one_goal_keeps_its_unit_and_is_never_reached() -> None:
    x, w = random_images(2, 6), weights(2, 1)
    joined = JoinedGoals.of([Slope(w)], x)
    torch.testing.assert_close(joined.loss(x), Slope(w).loss(x))
    assert joined.endless
    assert not joined.reached(torch.tensor([1.0, -1.0])).any()


def test_several_goals_count_alike_whatever_their_units() -> None:
    x, first, second = random_images(2, 6), weights(2, 1), weights(2, 2)
    plain = JoinedGoals.of([Slope(first), Slope(second)], x)
    scaled = JoinedGoals.of([Slope(1e-12 * first), Slope(1e9 * second)], x)
    expected = sum((w * x).sum((1, 2, 3)) / w.flatten(1).norm(dim=1) for w in (first, second)) / 2
    torch.testing.assert_close(plain.loss(x), expected)
    torch.testing.assert_close(scaled.loss(x), expected)
    torch.testing.assert_close(plain.select(torch.tensor([1])).loss(x[1:]), expected[1:])


def test_a_goal_without_a_slope_gives_no_infinity() -> None:
    x = random_images(2, 6)
    joined = JoinedGoals.of([Slope(torch.zeros(2, 3, 6, 6)), Slope(weights(2, 1))], x)
    assert joined.loss(x).isfinite().all()


def test_several_endless_goals_are_refused() -> None:
    x = random_images(1, 6)
    goals = [DistanceShift(PixelL2().prepare(x), 1) for _ in range(2)]
    assert JoinedGoals.of(goals[:1], x).endless
    with pytest.raises(UserError, match="got a goal without end; name one"):
        JoinedGoals.of(goals, x)


def test_momentum_is_that_of_the_paper() -> None:
    """Equation 6 by hand, over three steps of gradients of any size."""
    x, mu, expected = random_images(2, 6), 0.7, torch.zeros(2, 3, 6, 6)
    steps = [1e-20 * weights(2, 1), weights(2, 2), 1e6 * weights(2, 3)]
    objective = Momentum(Slope(steps[0]), mu)
    for w in steps:
        objective.inner = Slope(w)
        _, found = objective.gradient(x)
        expected = mu * expected + w.double() / w.double().abs().sum((1, 2, 3), keepdim=True)
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-9)
    part = objective.select(torch.tensor([1]))
    assert part.memory is not None
    assert torch.equal(part.memory, found[1:])


def test_a_gradient_whose_sum_float32_cannot_hold_counts_like_any_other() -> None:
    w = weights(2, 1)
    _, found = Momentum(Slope(3e37 * w), 1.0).gradient(torch.zeros(2, 3, 6, 6))
    torch.testing.assert_close(found, w / w.abs().sum((1, 2, 3), keepdim=True))


def test_a_gradient_of_zero_leaves_the_memory() -> None:
    x = random_images(1, 6)
    objective = Momentum(Slope(weights(1, 1)), 1.0)
    _, before = objective.gradient(x)
    objective.inner = Slope(torch.zeros(1, 3, 6, 6))
    _, after = objective.gradient(x)
    assert torch.equal(before, after)


def test_momentum_goes_on_where_the_slope_turns_back_and_forth() -> None:
    """One pixel pulls steadily, the others flip their sign at each step: the sum knows the steady one."""

    class Shaky(Slope):
        def gradient(self, x: Images) -> tuple[PerImage, Tensor]:
            loss, _ = super().gradient(x)
            turned = self.w * (-1) ** len(self.seen)
            turned[:, 0, 0, 0] = 0.3
            return loss, turned

    w = torch.ones(1, 3, 6, 6)
    made = WithMomentum(LinfPGD(steps=11, relative_step=0.1), 1.0)
    x = torch.full((1, 3, 6, 6), 0.5)
    assert made.norm == "linf"
    looks = Shaky(w)
    looks.reached = lambda loss: torch.zeros_like(loss, dtype=torch.bool)  # type: ignore[method-assign]
    made(looks, x, 0.1, Noise.make(0, "a"))
    last = looks.seen[-1]
    assert last[0, 0, 0, 0] == pytest.approx(0.6)


def test_diversity_shrinks_pads_and_lets_gradients_through() -> None:
    x = random_images(40, 20, seed=1) * 0.5 + 0.5
    inner = Slope(torch.ones_like(x))
    objective = Diverse(inner, 0.5, Noise.make(0, [str(i) for i in range(40)]))
    _, gradient = objective.gradient(x)
    (seen,) = inner.seen
    same = (seen == x).flatten(1).all(1)
    assert 8 < int(same.sum()) < 32, "about one half is left as it is"
    for image in seen[~same]:
        lit = (image.sum(0) > 0).nonzero()
        height, width = (lit.max(0).values - lit.min(0).values + 1).tolist()
        assert round(LEAST * 20) <= height <= 20
        assert height == width
    assert (gradient.flatten(1).abs().sum(1) > 0).all()


def test_diversity_draws_by_sample() -> None:
    x, ids = random_images(4, 10, seed=2), ["a", "b", "c", "d"]

    def looks(index: list[int]) -> Tensor:
        inner = Slope(torch.ones(len(index), 3, 10, 10))
        objective = Diverse(inner, 1.0, Noise.make(0, [ids[i] for i in index]))
        for _ in range(2):
            objective.value(x[index])
        return torch.stack(inner.seen)

    together = looks([0, 1, 2, 3])
    assert torch.equal(looks([2, 0]), together[:, [2, 0]])
    assert not torch.equal(together[0], together[1]), "each look draws anew"


def test_no_diversity_is_the_goal_itself() -> None:
    goal = Slope(weights(1, 1))
    assert attack.build(Ref.parse("transfer:l2")).looks(goal, Noise.make(0, "a")) is goal  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("transfer", "write transfer:SOURCE"),
        ("transfer:lpisp", "unknown metric 'lpisp'; did you mean 'lpips'"),
        ("transfer(source=l2+sim)", "unknown metric 'sim'"),
        ("transfer(source=l2,by=l2-fmn)", "fills its budget, got by=l2-fmn"),
        ("transfer(source=l2,by=l2-aa)", "fills its budget, got by=l2-aa"),
        ("transfer(source=l2,by=l2-query)", "fills its budget"),
        ("transfer(source=l2,by=l2-mse)", "an attack on answers"),
        ("transfer(source=l2,by=transfer:l2)", "fills its budget"),
        ("transfer(source=l2,by=l2-square,momentum=1)", "l2-square has none; leave them out"),
        ("transfer(source=l2,momentum=2)", "at most 1, got 2 and 0"),
        ("transfer(source=l2,diversity=1.5)", "at most 1, got 0 and 1.5"),
        ("transfer(source=l2(x=1))", "the metric 'l2' has no argument 'x'"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_a_sentence(name: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        attack.build(Ref.parse(name))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(("by", "norm"), [("l2-apgd-ce", "l2"), ("linf-pgd(steps=3)", "linf"), ("apgd-ce", None)])
def test_the_norm_is_that_of_the_attack_that_climbs(by: str, norm: str | None) -> None:
    made = attack.build(Ref("transfer", args=(("source", "l2"), ("by", by))))
    assert made.norm == norm
    assert not made.needs_gradient  # type: ignore[union-attr]


def test_on_a_goal_it_is_the_attack_that_climbs() -> None:
    batch = triplets([0.1, 0.3], seed=1)
    goal = FlipPreference.make(PixelL2(), batch.left, batch.right, batch.label)
    made, own = (
        attack.build(Ref.parse("transfer(source=l2,by=l2-pgd(steps=5))")),
        attack.build(Ref.parse("l2-pgd(steps=5)")),
    )
    found = [one(goal, batch.reference, 0.2, Noise.make(0, batch.ids)) for one in (made, own)]  # type: ignore[operator]
    assert torch.equal(*found)
