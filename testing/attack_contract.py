"""What every attack keeps to, on a metric whose exact radius is known."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Ensemble, Objective
from perceptbench.attacks.norms import change, size
from perceptbench.attacks.objectives import EmbeddingShift
from perceptbench.attacks.running.sweep import parts_of, run_attack
from perceptbench.attacks.threats.lp import Ball, within
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.attack_setting import Setting, fewer, run_each
from perceptbench.testing.contract import Contract, built, dense
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.testing.said import close, finite
from perceptbench.testing.samples import generator, radius_in, random_images, subset, triplets
from perceptbench.triplets.base import Triplets

RADII = [0.05, 0.1, 0.15, 0.2, 0.25, 0.4, 0.5, 0.7]


class Blind(PixelL2):
    """A metric without a gradient: both sides equally far, always but for a constant."""

    def compare(self, a: Tensor, b: Tensor) -> Tensor:
        return (0 * (a + b)).sum(1) + b.sum(1)


class AttackContract(Contract):
    """Derive from it, give the attack in `made`, with as few steps as it needs, and pytest finds the tests.

    class TestMine(AttackContract):
        def made(self):
            return Mine(steps=40)
    """

    norm: Norm = "l2"
    """Of the ball in which an attack without a norm of its own is tested."""
    reach: float = 1.25
    """From which multiple of the exact radius on it must find the flip. A search without gradients needs more."""
    follows_gradients: bool = True
    """Whether it also finds the flip across a curved decision."""
    draws: bool = False
    """Whether another seed must give another image."""
    fills_budget: bool = True
    """Whether it uses most of the budget also where it finds no flip."""
    finds_smallest: bool = True
    """Where it states `minimal`: whether the flip it finds is within 5 % of the smallest one."""

    def made(self) -> Attack | Ensemble:
        """The attack, with few steps."""
        raise NotImplementedError("give your attack: def made(self): return Mine(steps=40)")

    @pytest.fixture
    def subject(self) -> Attack | Ensemble:
        """The attack under test."""
        made: Attack | Ensemble = built(self.made, (Attack, Ensemble))
        return made

    @pytest.fixture
    def name(self, subject: Attack | Ensemble) -> str:
        """What its parts are called."""
        return type(subject).__name__

    @pytest.fixture
    def ball(self, subject: Attack | Ensemble) -> Ball:
        """The set it is tested in."""
        return Ball(subject.norm or self.norm)

    @pytest.fixture
    def single(self, subject: Attack | Ensemble) -> Attack:
        """The attack under test, where it is no ensemble."""
        if not isinstance(subject, Attack):
            pytest.skip("an ensemble: its parts are tested")
        return subject

    @pytest.fixture
    def flipper(self, subject: Attack | Ensemble) -> Attack | Ensemble:
        """The attack under test, where it can flip an answer."""
        if isinstance(subject, Attack) and subject.by_embedding:
            pytest.skip("moves embeddings and flips nothing")
        return subject

    def test_states_norm_and_parts(self, subject: Attack | Ensemble, name: str) -> None:
        parts = parts_of(subject, name)
        assert len({part for part, _, _ in parts}) == len(parts), "parts must have different names"
        for part, member, starts in parts:
            assert member.norm == subject.norm, f"the part {part} must work in the norm of the whole, {subject.norm}"
            assert starts >= 0, f"the part {part} must have 0 starts or more, got {starts}"

    @pytest.mark.parametrize("shape", [(8, 8), (5, 11), (12, 7)])
    def test_raw_result_is_within_budget_and_range(self, single: Attack, ball: Ball, shape: tuple[int, int]) -> None:
        """Before the runner mends anything: a tight box, since black and white pixels are frequent."""
        made = fewer(single, steps=15, queries=40)
        x = random_images(3, *shape, seed=1).round()
        left, right = random_images(3, *shape, seed=2), random_images(3, *shape, seed=3)
        label = torch.tensor([0.0, 1.0, 0.0])
        batch = Triplets(x, left, right, label, label, ("a", "b", "c"))
        objective: Objective = (
            EmbeddingShift.make(PixelL2(), x)
            if made.by_embedding
            else Setting(made, "", PixelL2(), batch).objective()
        )  # fmt: skip
        kept = x.clone()
        eps = 0.02 if ball.norm == "linf" else 0.3
        found = within(ball, made, objective, x, eps, Noise.make(0, batch.ids))
        dense(found, x, "what an attack returns")
        finite(found, "an attack must return finite images; where nothing was found, return the clean ones")
        assert not found.requires_grad, "an attack must return detached images"
        assert found.min() >= 0, "an attack must return images in [0, 1]; clamp them"
        assert found.max() <= 1, "an attack must return images in [0, 1]; clamp them"
        assert torch.equal(x, kept), "an attack must not write into the clean images; clone them first"
        if not made.minimal:
            moved = size(found - x, ball.norm)
            assert (moved <= eps * (1 + 1e-5)).all(), "an attack must stay within eps; project its last iterate too"
            if self.fills_budget:
                assert (moved > 0.3 * eps).all(), "an attack should use its budget; see fills_budget"

    def test_judged_result_is_within_budget_and_range(self, flipper: Attack | Ensemble, name: str, ball: Ball) -> None:
        batch = triplets(RADII[:4], seed=1)
        kept = batch.reference.clone(), batch.left.clone(), batch.right.clone()
        budgets = (_between(batch, ball.norm, 0), _between(batch, ball.norm, 2))
        for outcome in _setting(flipper, name, ball, batch).run(*budgets):
            assert (outcome.size <= outcome.eps).all(), "what is judged must be within eps"
            measured = size(change(outcome.adversarial, batch.reference), ball.norm)
            assert torch.equal(outcome.size, measured), "the size must be that of the image that is returned"
            assert outcome.adversarial.min() >= 0, "what is judged must be in [0, 1]"
            assert outcome.adversarial.max() <= 1, "what is judged must be in [0, 1]"
        for before, after in zip(kept, (batch.reference, batch.left, batch.right), strict=True):
            assert torch.equal(before, after), "an attack must not write into the images it is given"

    def test_finds_the_flip_outside_the_exact_radius_and_none_inside(
        self, flipper: Attack | Ensemble, name: str, ball: Ball
    ) -> None:
        batch = triplets([0.1, 0.3], seed=2)
        exact = radius_in(ball.norm, batch)
        setting = _setting(flipper, name, ball, batch)
        assert not any(run_each(setting, 0.999 * exact).broken), "no flip lies inside the exact radius"
        outside = run_each(setting, self.reach * exact)
        assert all(outside.broken), f"an attack must find the flip at {self.reach} times the exact radius; see reach"
        for found, radius in zip(outside.size, exact.tolist(), strict=True):
            assert found >= 0.9999 * radius, f"the smallest flip is at {radius}, and {found} was reported"

    def test_a_curved_decision_is_found_too(self, flipper: Attack | Ensemble, name: str, ball: Ball) -> None:
        """Cosine of a projection: attacks follow a gradient that turns, the plane is known."""
        if not self.follows_gradients or ball.norm != "l2":
            pytest.skip("the exact radius is known in l2, to attacks that follow gradients")
        metric = ProjectionCosine(192, seed=5)
        batch = triplets([0.2] * 3, seed=3)
        with torch.no_grad():
            d0, d1 = metric.prepare(batch.left, batch.right).distances(batch.reference)
        label = (d1 < d0).float()
        batch = Triplets(batch.reference, batch.left, batch.right, label, label, batch.ids)
        exact, _ = metric.exact(batch)
        setting = Setting(fewer(flipper, steps=100), name, metric, batch, ball)
        assert not any(run_each(setting, 0.999 * exact).broken), "no flip lies inside the exact radius"
        assert all(run_each(setting, 1.25 * exact).broken), "an attack must find the flip across a curved decision"

    def test_the_same_seed_gives_the_same_images_and_another_seed_others(
        self, flipper: Attack | Ensemble, name: str, ball: Ball
    ) -> None:
        batch = triplets(RADII[:3], seed=4)
        setting = _setting(flipper, name, ball, batch)
        eps = 0.8 * float(radius_in(ball.norm, batch).min())
        first, again, other = (setting.run(eps, seed=seed)[0].adversarial for seed in (1, 1, 2))
        assert torch.equal(first, again), "the same seed must give the same images; draw from the noise that is given"
        if self.draws:
            assert not torch.equal(first, other), "another seed must give other images; see draws"

    def test_a_sample_does_not_notice_its_batch(self, flipper: Attack | Ensemble, name: str, ball: Ball) -> None:
        batch = triplets(RADII[:6], seed=6)
        made = fewer(flipper, steps=15, queries=40, fab_steps=15, fmn_steps=15, starts=1)
        whole = _setting(made, name, ball, batch)
        budgets = [_between(batch, ball.norm, i) for i in (1, 4)]
        together = dict(zip(batch.ids, _by_sample(whole, budgets), strict=True))
        shuffled = torch.randperm(6, generator=generator(1))
        wrong = "a sample must get the same result in every batch; draw by sample, and take no mean over the batch"
        for chunk in [*shuffled.split(4), *torch.tensor([0, 3]).split(1), shuffled]:
            part = subset(batch, chunk)
            for name_of, rows in zip(part.ids, _by_sample(replace(whole, batch=part), budgets), strict=True):
                pairs = zip(rows, together[name_of], strict=True)
                for (broken, image, by), (broken_then, image_then, by_then) in pairs:
                    assert (broken, by) == (broken_then, by_then), wrong
                    close(image, image_then, wrong, rtol=0, atol=2e-4)

    def test_no_worse_at_a_larger_budget(self, flipper: Attack | Ensemble, name: str, ball: Ball) -> None:
        """Alone at each budget, and all the more when run over rising budgets."""
        batch = triplets([RADII[i] for i in (0, 2, 5)], seed=7)
        setting = _setting(flipper, name, ball, batch)
        factor = 1.25 if self.reach == 1.25 else 2.5
        exact = factor * radius_in(ball.norm, batch).sort().values
        budgets = [float(one * 1.01) for one in exact]
        rising = torch.stack([o.broken for o in setting.run(*budgets)])
        alone = torch.stack([setting.run(eps)[0].broken for eps in budgets])
        for broken in (rising, alone):
            assert (broken[1:] >= broken[:-1]).all(), "an attack must not find less at a larger eps"
        assert (rising >= alone).all(), "a run over several eps must find what a run at one of them finds"
        assert rising[2].all(), "an attack must find every flip at an eps beyond all exact radii"
        assert not rising[0].all(), "an attack must not find flips beyond its budget"

    def test_minimal_attacks_come_close_to_the_exact_distance(self, single: Attack, name: str, ball: Ball) -> None:
        if not single.minimal or not self.finds_smallest:
            pytest.skip("looks for no smallest flip")
        batch = triplets([0.1, 0.2, 0.4, 0.6], seed=8)
        exact = radius_in(ball.norm, batch)
        outcome = _setting(single, name, ball, batch).run(4 * float(exact.max()))[0]
        assert outcome.broken.all(), "an attack that looks for the smallest flip must find one"
        assert (outcome.size >= 0.9999 * exact).all(), "no flip is smaller than the exact radius"
        assert (outcome.size <= 1.05 * exact).all(), "a minimal attack must come within 5 % of the smallest flip"

    def test_all_broken_at_the_start(self, flipper: Attack | Ensemble, name: str, ball: Ball) -> None:
        batch = triplets(RADII[:3], seed=9)
        wrong = Triplets(batch.reference, batch.left, batch.right, 1 - batch.label, 1 - batch.right_share, batch.ids)
        outcome = _setting(flipper, name, ball, wrong).run(0.01 * float(radius_in(ball.norm, batch).min()))[0]
        assert outcome.broken.all(), "an answer that is wrong at the start must count as broken"
        assert (outcome.size <= outcome.eps).all(), "an answer that is wrong at the start needs no large change"

    def test_a_metric_without_gradient_breaks_nothing_and_no_attack(
        self, flipper: Attack | Ensemble, name: str, ball: Ball
    ) -> None:
        """Finite images come back, unbroken."""
        batch = triplets([0.2, 0.2], seed=10)
        side = (batch.right.sum((1, 2, 3)) < batch.left.sum((1, 2, 3))).float()
        batch = Triplets(batch.reference, batch.left, batch.right, side, side, batch.ids)
        made = fewer(flipper, steps=5, queries=10, fab_steps=5, fmn_steps=5)
        outcome = Setting(made, name, Blind(), batch, ball).run(0.5)[0]
        assert not outcome.broken.any(), "where the gradient is 0 nothing can be flipped"
        finite(outcome.adversarial, "a gradient of 0 must not be divided by; the image must stay finite")

    def test_movers_reach_the_edge_of_the_budget(self, single: Attack, name: str, ball: Ball) -> None:
        """Under pixel l2 the largest shift is known: eps, or eps in every pixel."""
        if not single.by_embedding:
            pytest.skip("moves no embedding")
        x = 0.5 + 0.1 * (random_images(3, 8, seed=11) - 0.5)
        eps = 0.05
        skip = torch.zeros(1, 3, dtype=torch.bool)
        goal = EmbeddingShift.make(PixelL2(), x)
        (outcome,) = run_attack(single, name, goal, x, [eps], skip, Noise.make(0, "abc"), ball)
        shift = (outcome.adversarial - x).flatten(1).norm(dim=1)
        largest = eps if ball.norm == "l2" else eps * x[0].numel() ** 0.5
        assert (shift > 0.99 * largest).all(), "a goal without end must be raised to the edge of the budget"
        assert (outcome.size <= eps).all(), "what is judged must be within eps"
        assert not outcome.broken.any(), "a goal without end is never reached"

    def test_ensembles_name_the_part_and_leave_the_fallen_alone(
        self, subject: Attack | Ensemble, name: str, ball: Ball
    ) -> None:
        if isinstance(subject, Attack):
            pytest.skip("is no ensemble")
        batch = triplets([0.05, 5.0], seed=12)
        eps = 2 * float(radius_in(ball.norm, batch)[0])
        outcome = _setting(subject, name, ball, batch).run(eps)[0]
        parts = parts_of(subject, name)
        assert outcome.broken.tolist() == [True, False], "the near flip must be found, and the far one cannot be"
        assert outcome.broken_by == (parts[0][0], ""), "the part that found a flip must be named"
        assert outcome.forwards[0] < 20, "a sample that fell must be left alone by the other parts"
        assert outcome.forwards[1] >= sum(n for _, _, n in parts), "every part must have worked on what still stands"


def _setting(made: Attack | Ensemble, name: str, ball: Ball, batch: Triplets) -> Setting:
    return Setting(made, name, PixelL2(), batch, ball)


def _between(batch: Triplets, norm: Norm, i: int) -> float:
    """A budget half-way (geometrically) between the i-th radius and the next, in this norm."""
    radii = radius_in(norm, batch).sort().values
    return float((radii[i] * radii[i + 1]).sqrt())


def _by_sample(setting: Setting, budgets: list[float]) -> list[list[tuple[bool, Images, str]]]:
    outcomes = setting.run(*budgets)
    return [
        [(bool(o.broken[i]), o.adversarial[i], o.broken_by[i]) for o in outcomes] for i in range(len(setting.batch.ids))
    ]
