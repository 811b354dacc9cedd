"""Other gradients, against slopes that are known: values stay what they were, and gradients lead."""

import pytest
import torch
from torch import Tensor

from perceptbench.attacks.apgd import L2APGD
from perceptbench.attacks.base import Objective
from perceptbench.attacks.fmn import L2FMN
from perceptbench.attacks.norms import size
from perceptbench.attacks.other_gradients.along import Along
from perceptbench.attacks.other_gradients.averaged import Averaged
from perceptbench.attacks.other_gradients.by_differences import ByDifferences
from perceptbench.attacks.other_gradients.straight_through import StraightThrough
from perceptbench.attacks.over_draws import VERDICT_DRAWS, OverDraws
from perceptbench.attacks.pgd import PGD
from perceptbench.attacks.threats.lp import Ball
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Mask, PerImage
from perceptbench.testing.samples import random_images

WEIGHTS = torch.linspace(-1, 1, 3 * 6 * 6).view(3, 6, 6)
IDS = ("a", "b", "c")


class Weighted(Objective):
    """sum of weights times f(x), less an offset of each image."""

    def __init__(self, f=lambda x: x, offset: Tensor | None = None) -> None:
        self.f, self.offset = f, torch.zeros(3) if offset is None else offset

    def loss(self, x: Tensor) -> PerImage:
        return (self.f(x) * WEIGHTS).sum((1, 2, 3)) - self.offset

    def reached(self, loss: PerImage) -> Mask:
        return loss >= 0

    def select(self, index: Tensor) -> "Weighted":
        return Weighted(self.f, self.offset[index])


def seen(by, goal: Objective, norm="l2", eps=0.5) -> Objective:
    return by.seen(goal, eps, norm, Noise.make(0, IDS))


STEPS = {
    "round": lambda x: torch.round(20 * x) / 20,
    "method": lambda x: (20 * x).round() / 20,
    "floor": lambda x: torch.floor(20 * x) / 20,
    "ceil": lambda x: (20 * x).ceil() / 20,
    "trunc": lambda x: (20 * x).trunc() / 20,
    "decimals": lambda x: torch.round(x, decimals=1),
    "clamp": lambda x: x.clamp(0.4, 0.5),
    "clip of both names": lambda x: torch.clip(x, min=0.4, max=0.5),
    "clamp_min": lambda x: x.clamp_min(0.9),
    "in place": lambda x: (20 * x).round_() / 20,
    "clamp in place": lambda x: (1 * x).clamp_(0.4, 0.5),
    "bounds as tensors": lambda x: x.clamp(torch.full_like(x, 0.4), torch.full_like(x, 0.5)),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_keep_their_value_and_let_the_gradient_pass(name: str) -> None:
    x, goal = random_images(3, 6, seed=1), Weighted(STEPS[name])
    assert (goal.gradient(x)[1] == 0).double().mean() > 0.3
    loss, gradient = seen(StraightThrough(), goal).gradient(x)
    assert torch.equal(loss, goal.value(x))
    torch.testing.assert_close(gradient, WEIGHTS.expand_as(gradient), rtol=1e-5, atol=1e-6)


def test_floor_division_has_the_slope_of_division() -> None:
    x, goal = random_images(3, 6, seed=1), Weighted(lambda x: x // 0.05)
    loss, gradient = seen(StraightThrough(), goal).gradient(x)
    assert torch.equal(loss, goal.value(x))
    torch.testing.assert_close(gradient, (WEIGHTS / 0.05).expand_as(gradient))


def test_what_is_smooth_keeps_its_gradient_and_nothing_acts_outside() -> None:
    x = random_images(3, 6, seed=1)
    smooth, step = Weighted(lambda x: x.sin() * x.relu()), Weighted(STEPS["round"])
    for found, own in zip(seen(StraightThrough(), smooth).gradient(x), smooth.gradient(x), strict=True):
        assert torch.equal(found, own)
    seen(StraightThrough(), step).gradient(x)
    assert (step.gradient(x)[1] == 0).all()


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_differences_find_the_direction_of_a_linear_loss_beyond_rounding(norm) -> None:
    x = 0.5 + 0.2 * (random_images(3, 6, seed=2) - 0.5)
    for goal in (Weighted(), Weighted(lambda x: torch.round(50 * x) / 50)):
        loss, gradient = seen(ByDifferences(draws=300), goal, norm, eps=0.5 if norm == "l2" else 0.05).gradient(x)
        assert torch.equal(loss, goal.value(x))
        cosines = torch.nn.functional.cosine_similarity(gradient.flatten(1), WEIGHTS.flatten()[None], dim=1)
        assert (cosines > 0.7).all()


def test_differences_of_a_sample_do_not_notice_its_batch() -> None:
    x, goal = random_images(3, 6, seed=3), Weighted()
    whole = seen(ByDifferences(draws=4), goal).gradient(x)[1]
    for rows in (torch.tensor([2]), torch.tensor([1, 0])):
        part = seen(ByDifferences(draws=4), goal).select(rows).gradient(x[rows])[1]
        torch.testing.assert_close(part, whole[rows])


def test_differences_ask_for_losses_alone_and_changes_have_their_size() -> None:
    asked = []

    class Watched(Weighted):
        def loss(self, x: Tensor) -> PerImage:
            assert not torch.is_grad_enabled()
            asked.append(x)
            return super().loss(x)

    x = torch.full((3, 3, 6, 6), 0.5)
    seen(ByDifferences(draws=6, share=0.5), Watched(), eps=0.2).gradient(x)
    assert len(asked) == 13
    for changed in asked[:-1]:
        torch.testing.assert_close(
            size(changed - x, "l2"), torch.full((3,), 0.1, dtype=torch.float64), rtol=1e-5, atol=0
        )


def test_a_metric_that_draws_in_silence_is_seen_as_one_that_says_so() -> None:
    goal = Weighted()
    found = seen(Averaged(), goal)
    assert isinstance(found, OverDraws)
    assert found.draws == (goal,) * VERDICT_DRAWS


@pytest.mark.parametrize(
    "by", [StraightThrough(), ByDifferences(draws=48), Averaged()], ids=lambda by: type(by).__name__
)
def test_an_attack_finds_the_flip_along_them(by) -> None:
    """The loss is linear, so its flip is known: offset / |weights| away from grey."""
    radius = 0.4
    x = torch.full((3, 3, 6, 6), 0.5)
    step = (lambda x: x) if isinstance(by, Averaged) else (lambda x: torch.round(1000 * x) / 1000)
    goal = Weighted(step, (x[0] * WEIGHTS).sum() + radius * WEIGHTS.norm() * torch.ones(3))
    for made, within in ((L2APGD(steps=40), ()), (PGD(steps=40), (Ball("l2"),))):
        along, noise = Along(made, by), Noise.make(0, IDS)
        found = along(goal, x, 1.6 * radius, noise, *within)
        assert goal.reached(goal.value(found)).all()
        short = along(goal, x, 0.98 * radius, noise, *within)
        assert not goal.reached(goal.value(short)).any()


def test_an_attack_along_them_declares_what_the_attack_declares() -> None:
    minimal, budget = Along(L2FMN(), StraightThrough()), Along(PGD(), ByDifferences())
    assert (minimal.norm, minimal.minimal, minimal.needs_gradient, minimal.random) == ("l2", True, True, True)
    assert (budget.norm, budget.minimal, budget.needs_gradient) == (None, False, False)
