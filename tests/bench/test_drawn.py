"""Metrics that draw at random: gradients over ten draws, answers by the majority of eleven, and a row that says so."""

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.objectives import DistanceShift
from perceptbench.attacks.over_draws import OverDraws
from perceptbench.attacks.running.counted import Counted, Tally
from perceptbench.bench.evaluate import evaluate
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.bench.runner import run_plans
from perceptbench.core.noise import forked_rng
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.metrics.base import Metric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.results.memory_store import MemoryStore
from perceptbench.results.rows import rows_of
from perceptbench.tasks.base import Aim, Clean, Judged, Task
from perceptbench.tasks.drawn import DrawnTask
from perceptbench.testing.samples import l2_radius, source_of, triplets


class Line(Objective):
    """slope * mean + offset."""

    def __init__(self, slope: float, offset: float) -> None:
        self.slope, self.offset = slope, offset

    def loss(self, x: Images) -> PerImage:
        return self.slope * x.mean((1, 2, 3)) + self.offset

    def reached(self, loss: PerImage) -> Mask:
        return loss >= 0

    def select(self, index: Tensor) -> "Line":
        return self


def test_the_gradient_is_the_mean_of_ten_and_the_value_the_median_of_eleven() -> None:
    x = torch.full((2, 3, 4, 4), 0.5)
    draws = OverDraws(tuple(Line(float(i), 100.0 if i == 10 else 0.0) for i in range(11)))
    loss, gradient = draws.gradient(x)
    torch.testing.assert_close(loss, torch.full((2,), 4.5 * 0.5))
    torch.testing.assert_close(gradient, torch.full_like(x, 4.5 / 48))
    torch.testing.assert_close(draws.value(x), torch.full((2,), 5 * 0.5))


@pytest.mark.parametrize(("lost", "reached"), [(5, False), (6, True)])
def test_six_of_eleven_decide(lost: int, reached: bool) -> None:
    draws = OverDraws(tuple(Line(0.0, 1e-3 if i < lost else -1e9) for i in range(11)))
    x = torch.zeros(1, 3, 2, 2)
    assert bool(draws.reached(draws.value(x))) is reached


def test_every_draw_is_a_pass() -> None:
    x, tally = torch.full((2, 3, 4, 4), 0.5), Tally.zeros(2)
    counted = Counted(OverDraws(tuple(Line(1.0, 0.0) for _ in range(11))), tally, torch.arange(2))
    counted.gradient(x)
    assert (tally.forwards.tolist(), tally.backwards.tolist()) == ([10, 10], [10, 10])
    counted.value(x)
    assert (tally.forwards.tolist(), tally.backwards.tolist()) == ([21, 21], [10, 10])


class Crops(Metric):
    """Pixel l2 of a random window, anew at every call."""

    stochastic = True

    def __call__(self, x: Images, y: Images) -> PerImage:
        top, left = torch.randint(0, 3, (2,)).tolist()
        return PixelL2()(x[..., top : top + 6, left : left + 6], y[..., top : top + 6, left : left + 6])


def plan_of(metric: Metric, batch, attack: str, *eps: float):
    request = Request(
        metrics=[Held("drawn", metric)], data=[Held("made", source_of(batch))], attacks=[attack], certifiers=(), eps=eps
    )
    (plan,) = make_plans(request)
    return plan


def test_a_metric_with_random_crops_loses_to_the_gradient_over_draws_and_its_row_says_how_many() -> None:
    batch = triplets([0.1, 0.2, 0.3], seed=1)
    with forked_rng(0):
        (record,) = run_plans([plan_of(Crops(), batch, "l2-apgd-ce(steps=30)", 0.01, 2.0)], MemoryStore())
    at = record.samples.set_index(["eps", "id"])
    assert at.loc[0.01]["robust"].all()
    assert not at.loc[2.0]["robust"].any()
    assert record.facts["draws"] == {"gradient": 10, "verdict": 11}
    attacked = [row for row in rows_of(record) if row.kind == "attack"]
    assert all("each gradient the mean of 10 draws, each answer the majority of 11" in row.parts for row in attacked)
    # A step asks ten times forwards and backwards, and the judge eleven times.
    assert (record.samples["backwards"] % 10 == 0).all()


def test_a_metric_that_does_not_draw_is_asked_once() -> None:
    batch = triplets([0.1, 0.2], seed=1)
    (record,) = run_plans([plan_of(PixelL2(), batch, "l2-pgd(steps=3)", 0.01)], MemoryStore())
    assert "draws" not in record.facts
    assert (record.samples["backwards"] == 3).all()


class Votes(Task[int]):
    """A task of one sample that is lost in the draws named; its column is the number of the draw."""

    columns: ClassVar[dict[str, str]] = {"d": "float64"}

    def __init__(self, lost: set[int], endless: bool = False) -> None:
        self.lost, self.draw, self.endless = lost, -1, endless

    def prepare(self, metric, batch, aim, state) -> int:
        self.draw += 1
        return self.draw

    def judge(self, prepared: int, changed: Tensor, index: Tensor) -> Judged:
        return Judged(torch.tensor([prepared in self.lost]), {"d": torch.tensor([float(prepared)]), "said": ["x"]})

    def clean(self, prepared: int) -> Clean:
        judged = self.judge(prepared, torch.empty(0), torch.empty(0))
        return Clean({"number": judged.columns["d"]}, judged)


@pytest.mark.parametrize(
    ("lost", "reached", "first"),
    [(range(5), False, 5.0), (range(6), True, 0.0), (range(5, 11), True, 5.0), ([], False, 0.0)],
)
def test_a_task_is_asked_eleven_times_and_the_first_draw_of_the_majority_is_stored(lost, reached, first) -> None:
    task = DrawnTask(Votes(set(lost)))
    prepared = task.prepare(Crops(), None, Aim("flip"), {})
    assert len(prepared) == 11
    judged, clean = task.judge(prepared, torch.empty(1), torch.zeros(1)), task.clean(prepared)
    assert judged.reached.tolist() == clean.judged.reached.tolist() == [reached]
    assert judged.columns["d"].tolist() == clean.columns["number"].tolist() == [first]
    assert judged.columns["said"] == ["x"]


def test_an_endless_task_stores_the_mean_and_a_metric_that_does_not_draw_is_prepared_once() -> None:
    task = DrawnTask(Votes(set(), endless=True))
    prepared = task.prepare(Crops(), None, Aim("push"), {})
    assert task.judge(prepared, torch.empty(1), torch.zeros(1)).columns["d"].tolist() == [5.0]
    assert len(task.prepare(PixelL2(), None, Aim("push"), {})) == 1


def test_what_is_stored_is_one_draw_that_gave_the_answer_of_the_majority() -> None:
    """d0, d1 and correct belong together; the draws that were outvoted are not averaged in."""
    batch = triplets([0.1, 0.2], seed=2)
    with forked_rng(0):
        plan = plan_of(Crops(), batch, "l2-pgd(steps=1)", 0.001)
        entries = plan.source.entries
        frame = evaluate(plan, plan.source.batch(entries), [""] * len(entries), {})
    right = (frame["d0"] > frame["d1"]) == (frame["label"] == 1)
    assert (right == frame["correct"]).all()
    radius = l2_radius(batch)
    assert (radius > 0.05).all()


def test_the_loss_of_an_endless_goal_is_a_mean() -> None:
    x, y = torch.rand(2, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    shifts = tuple(DistanceShift(PixelL2().prepare(y * k / 10), 1) for k in range(11))
    draws = OverDraws(shifts)
    torch.testing.assert_close(draws.value(x), torch.stack([one.value(x) for one in shifts]).mean(0))
