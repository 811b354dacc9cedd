"""Searches whose answer is known: exact radii of ranks, places after attacks, own files, ties, labels."""

import pytest
import torch
from galleries import near_grey, searched

from perceptbench.attacks.base import attack
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.bench.runner import run_plans
from perceptbench.certifiers.margin import Margin
from perceptbench.certifiers.smoothing import Smoothing
from perceptbench.core.errors import Notice, UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.results.memory_store import MemoryStore
from perceptbench.results.rows import rows_of
from perceptbench.results.tasks.retrieval import RetrievalScores, mean_average_precision, tops_of
from perceptbench.tasks.base import Aim, task
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.triplets.gallery import QuerySource

SIDE = 16


class MeanDifference(Metric):
    """Has no embedding."""

    def __call__(self, x, y):
        return (x - y).abs().mean((1, 2, 3))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PERCEPTBENCH_CACHE", str(tmp_path / "cache"))


def on_a_line(places: list[float]) -> torch.Tensor:
    """Images (g, 3, 16, 16) at these places along one direction through mid-grey: the rank flips at midpoints."""
    way = torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(7))
    way = way / way.norm()
    return 0.5 + torch.tensor(places)[:, None, None, None] * way


def prepared(source: QuerySource, metric: Metric, named: str = "retrieval", goal: str = "push"):
    question = task.build(Ref.parse(named))
    question.admit(source)
    state = question.fit(metric, source, "cpu")
    return question, question.prepare(metric, source.batch(source.entries), Aim(goal), state)


def radii(question, asking, norm="l2"):
    return question.prove(asking, Margin(), Threat(norm=norm), Noise.make(0, asking.batch.ids)).radius


def broken(question, asking, name: str, eps: list[float]):
    """Whether an attack succeeds at each eps, for each query, as the task judges."""
    objective, x = question.objective(asking), question.moving(asking)
    skip, noise = torch.zeros(len(eps), len(x), dtype=torch.bool), Noise.make(0, asking.batch.ids)
    outcomes = run_attack(attack.build(Ref.parse(name)), name, objective, x, eps, skip, noise)
    every = torch.arange(len(x))
    return torch.stack([question.judge(asking, one.adversarial, every).reached for one in outcomes]).T.tolist()


def tied() -> torch.Tensor:
    """Three images, of which the first two are at exactly one distance from mid-grey."""
    gallery = torch.full((3, 3, SIDE, SIDE), 0.5)
    gallery[:, 0, 0, 0] += torch.tensor([0.25, -0.25, 0.5])
    return gallery


LINE = [0.0, 1.0, 2.0, 4.0, 7.0]
"""Places of a gallery; the query is at 0.2, so image j overtakes image 0 at (place of j) / 2 - 0.2."""


@pytest.mark.parametrize(("k", "exact"), [(1, 0.3), (2, 0.8), (3, 1.8), (4, 3.3)])
def test_a_radius_is_where_the_rank_flips_and_an_attack_succeeds_just_beyond(k, exact):
    source = searched(on_a_line(LINE), on_a_line([0.2]))
    question, asking = prepared(source, PixelL2(), f"retrieval(top={k})")
    assert question.clean(asking).columns["rank"].tolist() == [1]
    radius = float(radii(question, asking))
    assert exact * 0.9999 < radius <= exact
    assert broken(question, asking, "l2-pgd(steps=40,relative_step=0.2)", [0.995 * exact, 1.005 * exact]) == [
        [False, True]
    ]
    assert float(radii(question, asking, "linf")) == pytest.approx(radius / (3 * SIDE**2) ** 0.5)


@pytest.mark.parametrize(("k", "exact"), [(1, 4.8), (2, 3.8), (3, 3.3)])
def test_a_rival_enters_at_its_radius(k, exact):
    """The last image, at 6.4, has fewer than k before it once the query passes the middle to the k-th last one."""
    source = searched(on_a_line([0.0, 1.0, 3.0, 6.4]), on_a_line([-0.1]))
    question, asking = prepared(source, PixelL2(), f"retrieval(top={k},rival=g3)", "pull")
    assert question.clean(asking).columns["rank"].tolist() == [4]
    assert exact * 0.9999 < float(radii(question, asking)) <= exact
    found = broken(question, asking, "l2-pgd(steps=60,relative_step=0.2)", [0.99 * exact, 1.01 * exact])
    assert found == [[False, True]]


def test_cosine_radii_are_those_of_the_nearest_plane_and_no_attack_is_inside():
    """Orthonormal embedding: for k = 1 the radius is exact, so FAB comes near it and never below."""
    metric = ProjectionCosine(3 * SIDE**2, k=24)
    source = searched(near_grey(10, SIDE, 0.6, seed=1), near_grey(4, SIDE, 0.6, seed=2))
    for k in (1, 3):
        question, asking = prepared(source, metric, f"retrieval(top={k})")
        radius = radii(question, asking)
        assert bool((radius > 0).all())
        for i, bound in enumerate(radius.tolist()):
            near = [0.99 * bound, 1.02 * bound if k == 1 else 100 * bound]
            row = broken(question, asking, "l2-apgd-ce(steps=60)", near)[i]
            assert row == [False, True]


def test_places_count_from_one_and_ties_count_against():
    gallery, query = tied(), torch.full((1, 3, SIDE, SIDE), 0.5)
    question, asking = prepared(searched(gallery, query), PixelL2())
    clean = question.clean(asking)
    assert clean.columns["rank"].tolist() == [2], "two images at one distance: the match has the other before it"
    assert clean.judged.reached.tolist() == [True]
    assert clean.columns["correct"].tolist() == [False]
    assert radii(question, asking).tolist() == [0]
    question, asking = prepared(searched(gallery, query), PixelL2(), "retrieval(top=2)")
    assert question.clean(asking).judged.reached.tolist() == [False]


def test_a_query_is_not_its_own_match():
    gallery = on_a_line(LINE)
    question, asking = prepared(searched(gallery, gallery[1:3], own=[1, 2]), PixelL2())
    columns = question.clean(asking).columns
    assert columns["target"] == ["g0", "g1"]
    assert columns["nearest"] == ["g0", "g1"]
    assert columns["d_target"].tolist() == pytest.approx([1.0, 1.0], rel=1e-5)
    assert bool((columns["d_nearest"] > 0).all())


def test_with_labels_any_right_image_counts_and_precision_is_that_of_the_list():
    places, labels = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0], ["a", "b", "a", "b", "a", "b"]
    source = searched(on_a_line(places), on_a_line([0.1, 0.9]), labels=labels, of_queries=["b", "a"])
    question, asking = prepared(source, PixelL2(), "retrieval(top=1)")
    columns = question.clean(asking).columns
    # From 0.1: a b a b a b; from 0.9: b a a b a b.
    assert columns["rank"].tolist() == [2, 2]
    assert columns["target"] == ["g1", "g0"]
    assert columns["average_precision"].tolist() == pytest.approx(
        [(1 / 2 + 2 / 4 + 3 / 6) / 3, (1 / 2 + 2 / 3 + 3 / 5) / 3]
    )
    question, asking = prepared(source, PixelL2(), "retrieval(top=2)")
    assert question.clean(asking).columns["correct"].tolist() == [True, True]
    # For the b at 1, the a at 0 is nearer already, and the a at 2 overtakes it at 1.5. No other b has a second place.
    assert float(radii(question, asking)[0]) == pytest.approx(1.4, rel=1e-4)


def test_a_tie_between_right_and_wrong_counts_for_the_wrong_one_in_precision():
    query = torch.full((1, 3, SIDE, SIDE), 0.5)
    source = searched(tied(), query, labels=["a", "b", "b"], of_queries=["a"])
    question, asking = prepared(source, PixelL2())
    assert question.clean(asking).columns["average_precision"].tolist() == [0.5]


@pytest.mark.parametrize("goal", ["push", "pull"])
@pytest.mark.parametrize("labelled", [False, True])
def test_a_short_list_guides_the_attack_and_the_whole_gallery_judges(goal, labelled):
    gallery, queries = near_grey(10, SIDE, 0.3, seed=1), near_grey(3, SIDE, 0.3, seed=2)
    labels = ["a"] * 3 + ["b"] * 7 if labelled else None
    source = searched(gallery, queries, labels=labels, of_queries=["a"] * 3 if labelled else None)
    with pytest.warns(Notice, match="has no embedding: to judge a query once takes 10 passes"):
        question, asking = prepared(source, MeanDifference(), "retrieval(top=2,short_list=4)", goal)
    objective = question.objective(asking)
    x = question.moving(asking)
    assert objective.searched.count == 4 + (1 if goal == "pull" or not labelled else 3)
    whole, whole_asking = question, asking
    reached = broken(question, asking, "l2-pgd(steps=30)", [4.0])
    assert any(row[-1] for row in reached)
    changed = near_grey(3, SIDE, 0.3, seed=5)
    judged = whole.judge(whole_asking, changed, torch.arange(3))
    claimed = objective.reached(objective.value(changed))
    assert not bool((claimed & ~judged.reached).any()), "a success beside the short list is one beside the gallery"
    if goal == "pull":
        assert not bool(claimed.any())
    assert torch.isfinite(objective.gradient(x)[1]).all()


def run(source, metric, **options):
    request = Request(metrics=[Held("metric", metric)], data=[Held("samples", source)], **options)
    (record,) = run_plans(make_plans(request), MemoryStore(), 2)
    return record


def test_the_attack_on_the_embedding_is_judged_by_rank():
    source = searched(on_a_line(LINE), on_a_line([0.2, 0.4]))
    record = run(source, PixelL2(), attacks=["l2-mse(steps=20)"], eps=(0.05, 6.0), skip_certified=False)
    assert record.task == "retrieval"
    samples = record.samples
    assert samples["robust"].tolist() == [True, True, *(samples["rank_adv"][2:] <= 1)]
    assert bool(((samples["d_target_adv"] - samples["d_target"]).abs() <= samples["size"] + 1e-5).all())
    assert set(samples["broken_by"]) <= {"", "l2-mse"}
    assert (samples["size"][2:] > 5).all(), "it fills its budget"


def test_rows_are_shares_and_precision_stands_beside_them():
    gallery = on_a_line([0.0, 1.0, 2.0, 3.0])
    source = searched(gallery, on_a_line([0.1, 1.1, 2.6]), labels=["a", "b", "a", "b"], of_queries=["a", "a", "a"])
    record = run(source, PixelL2(), attacks=["l2-pgd(steps=30)"], eps=(0.2, 0.6), task="retrieval(top=1)")
    rows = {(row.kind, row.eps): row.score for row in rows_of(record)}
    # Right: from 0.1 (until 0.5), wrong: from 1.1 and 2.6.
    assert rows["natural", None] == pytest.approx(100 / 3)
    assert rows["attack", 0.2] == rows["certificate", 0.2] == pytest.approx(100 / 3)
    assert rows["attack", 0.6] == rows["certificate", 0.6] == 0
    found = mean_average_precision(record)
    assert found is not None
    assert found.estimate.value == pytest.approx(((1 + 2 / 3) / 2 + (1 / 2 + 2 / 3) / 2 + (1 / 2 + 2 / 4) / 2) / 3)
    assert mean_average_precision(run(searched(gallery, gallery[:2], own=[0, 1]), PixelL2(), attacks=[], eps=(1.0,),
                                      task="retrieval")) is None  # fmt: skip


def test_what_does_not_fit_is_refused():
    source = searched(on_a_line(LINE), on_a_line([0.2]))
    with pytest.raises(UserError, match="wants as many images that are wrong"):
        prepared(source, PixelL2(), "retrieval(top=5)")
    with pytest.raises(UserError, match="--rival wants an image of the gallery"):
        prepared(source, PixelL2(), "retrieval(rival=nosuch)", "pull")
    with pytest.raises(UserError, match="is a right match of the query 'q0'"):
        prepared(source, PixelL2(), "retrieval(rival=g0)", "pull")
    with pytest.raises(UserError, match="--short-list wants 3 images or more"):
        RetrievalScores(top=3, short_list=2)
    question, asking = prepared(source, PixelL2())
    with pytest.raises(UserError, match="use --certifier margin"):
        question.prove(asking, Smoothing(), Threat(), Noise.make(0, ["q0"]))
    for wrong in ("0", "x", "1,0", "20000", " "):
        with pytest.raises(UserError, match=r"--top wants|expected a list"):
            tops_of(wrong)
    assert tops_of("5,1,5") == (1, 5)
