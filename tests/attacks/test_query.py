"""The attack that sees answers alone: near the exact optimum, and never more queries than asked for."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from perceptbench.attacks import query
from perceptbench.attacks.base import Objective, attack
from perceptbench.attacks.norms import change, size, spread
from perceptbench.attacks.objectives import FlipPreference
from perceptbench.attacks.query import DecisionSearch, HopSkipJump, L2HopSkipJump, LinfHopSkipJump
from perceptbench.attacks.query_start import mosaic
from perceptbench.attacks.running.counted import Counted, Tally
from perceptbench.attacks.running.first_success import FirstSuccess
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.lp import Ball
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.metrics.base import Metric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.attack_setting import Setting
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.testing.samples import moved_across, radius_in, random_images, subset, triplets
from perceptbench.triplets.base import Triplets


def goal(batch: Triplets, metric: Metric | None = None) -> FlipPreference:
    return FlipPreference.make(metric or PixelL2(), batch.left, batch.right, batch.label)


@pytest.mark.parametrize(("norm", "made"), [("l2", L2HopSkipJump), ("linf", LinfHopSkipJump)])
def test_it_comes_near_the_exact_radius_of_pixels(norm, made) -> None:
    """With 1500 queries on 192 numbers; docs/query.md has 10,000 on 768."""
    batch = triplets([0.1, 0.6], seed=1)
    exact = radius_in(norm, batch)
    (outcome,) = Setting(made(queries=1500), f"{norm}-query", PixelL2(), batch).run(10.0)
    assert outcome.broken.all()
    assert (outcome.size >= 0.9999 * exact).all()
    assert (outcome.size <= 1.4 * exact).all(), (outcome.size / exact).tolist()


def test_it_comes_near_the_exact_radius_of_projections() -> None:
    metric = ProjectionCosine(192, seed=5)
    batch = triplets([0.2] * 2, seed=3)
    with torch.no_grad():
        d0, d1 = metric.prepare(batch.left, batch.right).distances(batch.reference)
    label = (d1 < d0).float()
    batch = Triplets(batch.reference, batch.left, batch.right, label, label, batch.ids)
    exact, _ = metric.exact(batch)
    (outcome,) = Setting(L2HopSkipJump(queries=1500), "l2-query", metric, batch).run(10.0)
    assert outcome.broken.all()
    assert (outcome.size >= 0.9999 * exact).all()
    assert (outcome.size <= 1.5 * exact).all(), (outcome.size / exact).tolist()


@dataclass(frozen=True)
class Answers(Objective):
    """Another goal of which the answer alone is left: +1 or -1."""

    inner: Objective

    def loss(self, x: Tensor) -> PerImage:
        return 2 * self.inner.reached(self.inner.loss(x)).to(x) - 1

    def reached(self, loss: PerImage) -> Mask:
        return loss > 0

    def select(self, index: Tensor) -> "Answers":
        return Answers(self.inner.select(index))


@pytest.mark.parametrize("made", [L2HopSkipJump(queries=400), LinfHopSkipJump(queries=400)])
def test_nothing_but_the_answer_is_used(made: HopSkipJump) -> None:
    batch = triplets([0.1, 0.3], seed=2)
    own, blind = (one for one in (goal(batch), Answers(goal(batch))))
    found = made(own, batch.reference, 1.0, Noise.make(0, batch.ids))
    assert torch.equal(found, made(blind, batch.reference, 1.0, Noise.make(0, batch.ids)))
    assert goal(batch).reached(goal(batch).value(found)).all()


@pytest.mark.parametrize("queries", [2, 30, 150, 500, 1200])
def test_no_sample_costs_more_queries_than_asked_for(queries: int) -> None:
    batch = triplets([0.05, 0.2, 5.0], seed=3)
    tally = Tally.zeros(3)
    L2HopSkipJump(queries=queries)(
        Counted(goal(batch), tally, torch.arange(3)), batch.reference, 1.0, Noise.make(0, batch.ids)
    )
    assert (tally.forwards <= queries).all()
    assert tally.forwards.max() > 0.6 * queries or queries < 150
    assert not tally.backwards.any()


@pytest.mark.parametrize("queries", [500, 5000, 10_000])
def test_the_plan_grows_with_the_root_of_the_step_and_leaves_nothing_worth_an_estimate(queries: int) -> None:
    made, finest = L2HopSkipJump(queries=queries), 15
    plan = made.plan(finest, queries)
    assert plan[:-1] == [int(100 * step**0.5) for step in range(1, len(plan))]
    spent = sum(plan) + len(plan) * (10 + finest)
    assert queries - (10 + finest + 10) < spent <= queries


def test_more_queries_find_smaller_flips() -> None:
    batch = triplets([0.1, 0.3], seed=4)
    sizes = []
    for queries in (200, 600, 2000):
        found = L2HopSkipJump(queries=queries)(goal(batch), batch.reference, 1.0, Noise.make(0, batch.ids))
        sizes.append(size(change(found, batch.reference), "l2"))
    assert (sizes[0] > sizes[1]).all()
    assert (sizes[1] > sizes[2]).all()


class Coarse(PixelL2):
    """Pixel l2 of images rounded to 8 bits, as hashes and services see them: flat nearly everywhere."""

    differentiable = False

    def embed(self, x: Images) -> Tensor:
        return super().embed((x * 255).round() / 255)


def test_a_metric_that_rounds_is_asked_further_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Next to the boundary a change of single pixels decides, and says nothing of the others."""
    batch = subset(triplets([0.3, 0.6], height=12, seed=6), torch.tensor([0]))
    made = Setting(L2HopSkipJump(queries=3000), "l2-query", Coarse(), batch)
    (outcome,) = made.run(10.0)
    monkeypatch.setattr(query, "_LITTLE", 2.0)
    (near,) = made.run(10.0)
    assert outcome.broken.all()
    assert near.broken.all()
    assert (outcome.size < 0.8 * near.size).all(), (outcome.size / near.size).tolist()
    assert (outcome.size <= 2 * radius_in("l2", batch)).all()


def test_where_nothing_succeeds_the_image_is_the_clean_one_and_the_search_ends_early() -> None:
    class Never(FlipPreference):
        def reached(self, loss: PerImage) -> Mask:
            return torch.zeros_like(loss, dtype=torch.bool)

        def select(self, index: Tensor) -> "Never":
            return Never(self.anchors.select(index), self.sign[index])

    batch = triplets([0.2, 0.3], seed=5)
    tally, whole = Tally.zeros(2), goal(batch)
    never = Counted(Never(whole.anchors, whole.sign), tally, torch.arange(2))
    found = L2HopSkipJump(queries=1000)(never, batch.reference, 1.0, Noise.make(0, batch.ids))
    assert torch.equal(found, batch.reference)
    assert tally.forwards.tolist() == [1 + 50] * 2


@dataclass(frozen=True)
class Brighter(ThreatSet):
    """theta (n, 1): what is added to every pixel. A threat whose theta is no image."""

    unit: ClassVar[str] = "levels"

    def start(self, x: Images, eps: float, noise: Noise | None) -> Tensor:
        theta = x.new_zeros(len(x), 1)
        return theta if noise is None else eps * (2 * noise.uniform(theta) - 1)

    def apply(self, x: Images, theta: Tensor) -> Images:
        return x + spread(theta[:, 0], x)

    def project(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        return theta.clamp_(-eps, eps)

    def measure(self, x: Images, theta: Tensor) -> PerImage:
        return theta[:, 0].double().abs()

    def shrink(self, theta: Tensor, x: Images, share: PerImage) -> Tensor:
        return theta * share[:, None]


@dataclass(frozen=True)
class MeanAbove(Objective):
    """Reached where the mean of an image is at least so much above what it was."""

    level: PerImage
    rise: float

    def loss(self, x: Images) -> PerImage:
        return x.mean((1, 2, 3)) - self.level - self.rise

    def reached(self, loss: PerImage) -> Mask:
        return loss >= 0

    def select(self, index: Tensor) -> "MeanAbove":
        return MeanAbove(self.level[index], self.rise)


def test_it_searches_in_the_set_of_another_threat() -> None:
    """The optimum is known: the rise itself."""
    x = random_images(3, 6, seed=1)
    objective = MeanAbove(x.mean((1, 2, 3)), 0.3)
    skip, noise = torch.zeros(2, 3, dtype=torch.bool), Noise.make(0, "abc")
    made = attack.build(Ref("query", args=(("queries", 400),)))
    small, large = run_attack(made, "query", objective, x, [0.29, 0.31], skip, noise, Brighter())
    assert not small.broken.any()
    assert large.broken.all()
    assert ((large.size >= 0.3 - 1e-6) & (large.size <= 0.31)).all()
    assert large.queries is None


def test_a_mosaic_has_extreme_colours_in_tiles_that_become_finer() -> None:
    x = random_images(2, 8, seed=1)
    noise = Noise.make(0, "ab")
    for number, side in enumerate([1, 2, 4, 8, 1]):
        tiles = mosaic(x, number, noise)
        assert tiles.shape == x.shape
        assert set(tiles.unique().tolist()) <= {0.0, 1.0}
        step = 8 // side
        assert torch.equal(tiles, tiles[:, :, ::step, ::step].repeat_interleave(step, 2).repeat_interleave(step, 3))


def test_numbers_below_one_are_refused() -> None:
    for arguments in ({"queries": 1}, {"directions": 0}):
        with pytest.raises(UserError, match="wants at least 2 queries and 1 direction"):
            L2HopSkipJump(**arguments)


def test_the_direction_is_that_of_the_gradient_and_has_norm_one() -> None:
    """At the boundary of a linear goal, in both norms; arXiv:1904.02144, theorem 2, bounds the cosine."""
    batch = triplets([0.2], height=6, seed=7)
    objective, boundary = goal(batch), moved_across(batch, 1.0).float()
    _, gradient = objective.gradient(boundary)
    for norm in ("l2", "linf"):
        search = DecisionSearch(objective, batch.reference, batch.reference.clone(), Noise.make(0, "a"), Ball(norm))
        found = search.direction(boundary, 3000)
        assert size(found, norm).item() == pytest.approx(1, abs=1e-6)
        cosine = torch.nn.functional.cosine_similarity(
            found.flatten(1), (gradient if norm == "l2" else gradient.sign()).flatten(1)
        )
        assert cosine.item() > (0.95 if norm == "l2" else 0.75)


@pytest.mark.parametrize(("side", "precision"), [(6, 108**-1.5), (12, 432**-1.5), (64, 2.0**-18)])
def test_a_way_back_ends_as_near_to_the_boundary_as_the_paper_says(side: int, precision: float) -> None:
    """d^-1.5 of a size, where float32 holds it, from a change 1.9 times as large as the smallest."""
    batch = triplets([0.2], height=side, seed=7)
    search = DecisionSearch(goal(batch), batch.reference, batch.reference.clone(), Noise.make(0, "a"), Ball("l2"))
    assert search.precision == pytest.approx(precision)
    found = search.back(moved_across(batch, 1.9).float(), search.finest)
    exact = float(radius_in("l2", batch))
    assert 1 - 1e-5 <= float(size(change(found, batch.reference), "l2")) / exact <= 1 + 1.9 * precision + 1e-5


def test_places_lie_further_away_for_the_sample_alone_whose_step_brought_little() -> None:
    batch = triplets([0.2, 0.3], height=6, seed=7)
    search = DecisionSearch(goal(batch), batch.reference, batch.reference.clone(), Noise.make(0, "ab"), Ball("l2"))
    seen = []
    for _ in range(8):
        search._adapt(torch.tensor([0.99, 0.5]).double(), torch.ones(2).double())
        assert search.wider is not None
        seen.append(search.wider.tolist())
    assert seen == [[4.0**step, 1.0] for step in (1, 2, 3, 4, 5, 6, 0, 1)]


class OneAfterTheOther(Objective):
    """Reached from a given look on, at an image of a given size."""

    def __init__(self, when: int) -> None:
        self.when, self.looks = when, 0

    def loss(self, x: Images) -> PerImage:
        self.looks += 1
        return torch.full_like(x[:, 0, 0, 0], 1.0 if self.looks >= self.when else -1.0)

    def reached(self, loss: PerImage) -> Mask:
        return loss > 0

    def select(self, index: Tensor) -> "OneAfterTheOther":
        return self


def test_the_first_success_within_each_eps_is_counted_in_passes() -> None:
    x = torch.full((1, 3, 4, 4), 0.5)
    first = FirstSuccess.of(x, Ball("linf"), [0.1, 0.2, 0.4])
    counted = Counted(OneAfterTheOther(2), Tally.zeros(1), torch.arange(1), first=first)
    for change_of in (0.05, 0.3, 0.15, 0.05, 0.01):
        counted.value(x + change_of)
    assert first.passes[:, 0].tolist() == [4.0, 3.0, 2.0]


def test_outcomes_say_the_query_of_the_first_success_and_nothing_where_gradients_are_used() -> None:
    batch = triplets([0.1, 0.3, 5.0], seed=8)
    outcomes = Setting(L2HopSkipJump(queries=600), "l2-query", PixelL2(), batch).run(0.3, 0.8)
    for outcome in outcomes:
        assert outcome.queries is not None
        assert torch.equal(outcome.queries.isnan(), ~outcome.broken)
        assert (outcome.queries[outcome.broken] <= outcome.forwards[outcome.broken]).all()
    small, large = (outcome.queries for outcome in outcomes)
    assert large[0] < small[0], "a larger eps is reached earlier"
    assert Setting(attack.build(Ref("l2-pgd")), "l2-pgd", PixelL2(), batch).run(0.3)[0].queries is None
