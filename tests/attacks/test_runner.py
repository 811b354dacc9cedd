"""The runner believes nothing: it counts, clips, measures and judges by itself."""

from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.norms import size
from perceptbench.attacks.running.judge import Outcome
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.threats.lp import fit
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm, Ref
from perceptbench.core.tensors import Images
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.attack_setting import Setting, small_attack
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.testing.samples import l2_radius, linf_radius, random_images, random_triplets, triplets
from perceptbench.triplets.base import Triplets

RADII = [0.1, 0.2, 0.4, 0.8]


@dataclass
class Scripted(Attack):
    """Returns what the test says; notes who was attacked, and at what eps."""

    act: object = None
    norm: ClassVar[Norm] = "l2"
    minimal: bool = False
    calls: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)

    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        self.calls.append((eps, noise.ids))
        return self.act(objective, x, eps, noise)  # type: ignore[operator]


@dataclass
class Together:
    members: list[tuple[str, Scripted, int]]
    norm: ClassVar[Norm] = "l2"

    def parts(self) -> list[tuple[str, Attack, int]]:
        return self.members  # type: ignore[return-value]


def towards(factor: float):  # type: ignore[no-untyped-def]
    """Along the gradient by factor * eps, without any clipping."""

    def act(objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        _, gradient = objective.gradient(x)
        return x + factor * eps * gradient / gradient.flatten(1).norm(dim=1)[:, None, None, None]

    return act


def run(attack: object, batch: Triplets, *budgets: float, skip: Tensor | None = None) -> list[Outcome]:
    return Setting(attack, "scripted", PixelL2(), batch).run(*budgets, skip=skip)  # type: ignore[arg-type]


def test_a_result_outside_the_ball_is_clipped_and_judged_there() -> None:
    batch = triplets(RADII)
    outcome = run(Scripted(towards(10.0)), batch, 0.3)[0]
    assert (outcome.size <= 0.3).all()
    assert (outcome.size > 0.2999).all()
    assert outcome.broken.tolist() == [True, True, False, False]


@pytest.mark.parametrize("minimal", [False, True])
def test_a_result_outside_the_range_of_pixels_is_clipped_and_judged_there(minimal: bool) -> None:
    batch = triplets(RADII)
    outcome = run(Scripted(lambda o, x, e, n: x - 7.0, minimal=minimal), batch, 1000.0)[0]
    assert outcome.adversarial.min() >= 0
    black = (0 - batch.reference).flatten(1).norm(dim=1).double()
    shown = torch.where(outcome.broken, outcome.size, black)
    torch.testing.assert_close(shown, black)
    objective = Setting(Scripted(), "", PixelL2(), batch).objective()
    assert torch.equal(outcome.broken, objective.value(torch.zeros_like(batch.reference)) >= 0)


def test_a_flip_of_a_minimal_attack_outside_the_budget_is_none() -> None:
    batch = triplets(RADII)
    outcomes = run(Scripted(towards(1.5), minimal=True), batch, 0.3, 0.5)
    assert outcomes[0].broken.tolist() == [False] * 4
    assert outcomes[1].broken.tolist() == [True, True, True, False]
    assert all((o.size <= o.eps).all() for o in outcomes)


def test_nothing_found_gives_the_clean_image_or_the_strongest_tried() -> None:
    batch = triplets(RADII)
    idle = run(Scripted(lambda o, x, e, n: x), batch, 0.3)[0]
    assert not idle.broken.any()
    assert torch.equal(idle.adversarial, batch.reference)
    assert idle.broken_by == ("",) * 4
    away = run(Together([("a", Scripted(towards(0.05)), 1), ("b", Scripted(towards(-0.05)), 1)]), batch, 0.3)[0]
    toward = batch.reference + 0.05 * 0.3 * _direction(batch)
    torch.testing.assert_close(away.adversarial, toward, rtol=0, atol=1e-5)


def _direction(batch: Triplets) -> Tensor:
    objective = Setting(Scripted(), "", PixelL2(), batch).objective()
    gradient = objective.gradient(batch.reference)[1]
    return gradient / gradient.flatten(1).norm(dim=1)[:, None, None, None]


def test_numbers_that_are_none_break_nothing() -> None:
    outcome = run(Scripted(lambda o, x, e, n: x * torch.nan), triplets(RADII), 0.3)[0]
    assert not outcome.broken.any()
    assert outcome.adversarial.isfinite().all()


@pytest.mark.parametrize("name", ["l2-aa", "linf-aa", "l2-square", "l2-pgd", "linf-fab"])
def test_passes_are_counted_as_the_metric_sees_them(name: str) -> None:
    seen_forwards, seen_backwards = torch.zeros(4), torch.zeros(4)

    @dataclass(frozen=True)
    class Watched(Objective):
        inner: Objective
        index: Tensor

        def loss(self, x: Images) -> Tensor:
            seen_forwards[self.index] += 1
            if x.requires_grad:
                x.register_hook(lambda g: seen_backwards.__setitem__(self.index, seen_backwards[self.index] + 1))
            return self.inner.loss(x)

        def reached(self, loss: Tensor) -> Tensor:
            return self.inner.reached(loss)

        def select(self, index: Tensor) -> "Watched":
            return Watched(self.inner.select(index), self.index[index])

    batch = triplets(RADII)
    made = small_attack(name, steps=8, queries=9, fab_steps=7, fmn_steps=6)
    setting = Setting(made, name, PixelL2(), batch)
    budgets = (0.15, 0.3) if made.norm == "l2" else (0.015, 0.03)
    watched = Watched(setting.objective(), torch.arange(4))
    skip = torch.zeros(2, 4, dtype=torch.bool)
    skip[:, 3] = True
    noise = Noise.make(0, batch.ids)
    first, last = run_attack(made, name, watched, batch.reference, budgets, skip, noise)
    assert torch.equal(last.forwards, seen_forwards)
    assert torch.equal(last.backwards, seen_backwards)
    assert last.forwards[3] == 0
    assert (first.forwards <= last.forwards).all()
    assert first.forwards is not last.forwards


def test_what_fell_at_a_smaller_eps_has_fallen_at_larger_ones() -> None:
    """An attack that fails at large budgets takes nothing back."""

    def moody(objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        return towards(1.0)(objective, x, eps, noise) if eps < 0.35 else x

    batch, spy = triplets(RADII), Scripted(moody)
    outcomes = run(spy, batch, 0.15, 0.3, 0.9)
    assert [o.broken.tolist() for o in outcomes] == [[True, False, False, False]] + [[True, True, False, False]] * 2
    assert [(eps, len(ids)) for eps, ids in spy.calls] == [(0.15, 4), (0.3, 3), (0.9, 2)]
    assert torch.equal(outcomes[2].adversarial[0], outcomes[0].adversarial[0])


def test_a_flip_of_a_later_part_is_tried_at_once_at_the_smaller_budgets() -> None:
    """Along a straight line every budget beyond the radius falls to one flip: nothing is attacked twice."""
    batch, idle, strong = triplets(RADII), Scripted(lambda o, x, e, n: x), Scripted(towards(1.0))
    outcomes = run(Together([("idle", idle, 1), ("strong", strong, 1)]), batch, 0.15, 0.3, 0.9)
    assert [(eps, len(ids)) for eps, ids in idle.calls] == [(0.15, 4), (0.3, 4), (0.9, 4)]
    assert [o.broken.tolist() for o in outcomes] == [
        [True, False, False, False], [True, True, False, False], [True, True, True, False]
    ]  # fmt: skip
    assert [(eps, ids) for eps, ids in strong.calls] == [
        (0.9, batch.ids),
        (0.3, batch.ids[2:3]),
        (0.15, batch.ids[1:2]),
    ]
    assert outcomes[0].size[0] <= 0.15


def test_what_stood_against_everything_at_a_larger_budget_is_left_alone_at_smaller_ones() -> None:
    batch = triplets([0.1, 0.8])
    first, second = Scripted(towards(0.01)), Scripted(lambda o, x, e, n: x)
    run(Together([("first", first, 3), ("second", second, 2)]), batch, 0.01, 0.02, 0.05)
    assert [eps for eps, _ in first.calls] == [0.01, 0.02, 0.05, 0.05, 0.05]
    assert [eps for eps, _ in second.calls] == [0.05] * 2


def test_a_goal_without_end_is_worked_in_full_at_every_budget() -> None:
    class Far(Objective):
        def loss(self, x: Images) -> Tensor:
            return x.sum((1, 2, 3))

        def reached(self, loss: Tensor) -> Tensor:
            return torch.zeros_like(loss, dtype=torch.bool)

        def select(self, index: Tensor) -> "Far":
            return self

        @property
        def endless(self) -> bool:
            return True

    batch, spy = triplets([0.1, 0.8]), Scripted(towards(1.0))
    skip = torch.zeros(2, 2, dtype=torch.bool)
    run_attack(spy, "a", Far(), batch.reference, (0.1, 0.2), skip, Noise.make(0, batch.ids), restarts=2)
    assert [eps for eps, _ in spy.calls] == [0.1, 0.2, 0.2, 0.1]


def test_skip_is_respected_at_each_eps() -> None:
    batch, spy = triplets(RADII), Scripted(towards(1.0))
    _, b, _, d = batch.ids
    skip = torch.tensor([[True, False, True, True], [True, False, True, False], [True] * 4])
    outcomes = run(spy, batch, 0.15, 0.3, 0.9, skip=skip)
    assert spy.calls == [(0.15, (b,)), (0.3, (b, d))]
    assert [o.broken.tolist() for o in outcomes][1:] == [[False, True, False, False]] * 2
    assert torch.equal(outcomes[2].adversarial[2], batch.reference[2])
    assert outcomes[2].forwards[2] == 0


def test_parts_work_on_what_still_stands_and_are_named() -> None:
    batch = triplets(RADII)
    weak, strong, idle = Scripted(towards(0.5)), Scripted(towards(1.0)), Scripted(lambda o, x, e, n: x)
    outcome = run(Together([("weak", weak, 2), ("idle", idle, 1), ("strong", strong, 1)]), batch, 0.5)[0]
    assert [ids for _, ids in weak.calls] == [batch.ids, batch.ids[2:] if outcome.broken[1] else ()][:2]
    assert [ids for _, ids in idle.calls] == [batch.ids[2:]]
    assert [ids for _, ids in strong.calls] == [batch.ids[2:]]
    assert outcome.broken_by == ("weak", "weak", "strong", "")


def test_a_minimal_part_runs_once_for_all_budgets_with_others_beside_it() -> None:
    batch = triplets(RADII)
    minimal = Scripted(towards(0.9), minimal=True)
    filling = Scripted(lambda o, x, e, n: x)
    run(Together([("minimal", minimal, 2), ("filling", filling, 1)]), batch, 0.05, 0.3, 0.5)
    assert [(eps, len(ids)) for eps, ids in minimal.calls] == [(0.05, 4), (0.5, 4)]
    seen = [name for _, ids in minimal.calls for name in ids]
    assert all(seen.count(name) == 2 for name in batch.ids)
    assert [eps for eps, _ in filling.calls] == [0.5, 0.3, 0.05]


def test_a_minimal_part_comes_to_what_was_skipped_before() -> None:
    batch, minimal = triplets(RADII), Scripted(lambda o, x, e, n: x, minimal=True)
    skip = torch.tensor([[True, False, False, False], [False] * 4])
    run(minimal, batch, 0.05, 0.3, skip=skip)
    assert [ids for _, ids in minimal.calls] == [batch.ids[1:], batch.ids[:1]]


def test_starts_draw_different_numbers() -> None:
    drawn = []

    def draw(objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        drawn.append(noise.uniform(x[:, 0, 0, :1]).flatten().tolist())
        return x

    batch = triplets(RADII)
    run(Together([("a", Scripted(draw), 2), ("b", Scripted(draw), 1)]), batch, 0.05, 0.3)
    flat = [value for row in drawn for value in row]
    # Four samples: three starts at the larger budget, one at the smaller.
    assert len(flat) == len(set(flat)) == 16


def test_the_smallest_flip_is_kept() -> None:
    batch = triplets([0.1, 0.1])
    parts = [("large", Scripted(towards(1.2), minimal=True), 1), ("small", Scripted(towards(0.7), minimal=True), 1)]
    outcome = run(Together(parts), batch, 0.2)[0]
    assert outcome.broken_by == ("small", "small")
    torch.testing.assert_close(outcome.size, torch.full((2,), 0.14, dtype=torch.float64), rtol=1e-3, atol=0)


@pytest.mark.parametrize("eps", [1 / 255, 2 / 255, 4 / 255, 8 / 255, 0.1, 0.5])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_last_bits_cost_no_flip(norm: Norm, eps: float) -> None:
    """x + eps rounds to more than eps away in float32: shrinking must get it inside, barely."""
    x = 0.2 + 0.6 * random_images(4, 64, seed=1) if norm == "l2" else random_images(4, 64, seed=1)
    far = x + 3 * eps * torch.where(random_images(4, 64, seed=2) < 0.5, -1.0, 1.0)
    mended = fit(far, x, eps, norm)
    assert (size(mended - x, norm) <= eps).all()
    assert (size(mended - x, norm) >= eps * (1 - 1e-4)).all()
    assert mended.min() >= 0
    assert mended.max() <= 1


@pytest.mark.parametrize("name", [n for n in attack.names() if n in ("linf-apgd-ce", "linf-pgd", "l2-apgd-ce")])
def test_small_budgets_on_larger_images_find_what_is_there(name: str) -> None:
    batch = triplets([0.2, 0.3, 0.1], height=48)
    made = attack.build(Ref(name))
    exact = l2_radius(batch) if made.norm == "l2" else linf_radius(batch)
    outcome = Setting(small_attack(name, steps=30), name, PixelL2(), batch).run(1.25 * float(exact.max()))[0]
    assert outcome.broken.all()


def test_the_outcome_is_judged_on_the_batch_that_was_given() -> None:
    metric = ProjectionCosine(192)
    batch = random_triplets(4, 8, seed=1, metric=metric)
    outcome = Setting(small_attack("l2-pgd"), "l2-pgd", metric, batch).run(0.3, 2.0)[1]
    objective = Setting(Scripted(), "", metric, batch).objective()
    assert torch.equal(outcome.broken, objective.value(outcome.adversarial) >= 0)


def test_a_metric_whose_gradient_is_no_number_is_refused_and_not_called_robust() -> None:
    class Broken(PixelL2):
        def compare(self, a, b):  # type: ignore[no-untyped-def]
            distance = super().compare(a, b)
            return distance + 0 * (distance - distance.detach()).sqrt()

    with pytest.raises(UserError, match="gradient that is not finite"):
        Setting(small_attack("l2-pgd"), "l2-pgd", Broken(), triplets(RADII)).run(0.3)
