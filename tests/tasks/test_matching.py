"""Matching against closed forms: pixel l2, where the radius of a decision is |d - tau|, and orthonormal embeddings."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.bench.runner import run_plans
from perceptbench.certifiers.base import DecisionCertifier
from perceptbench.certifiers.decision import certify_decision
from perceptbench.certifiers.margin import Margin
from perceptbench.certifiers.paper import Paper
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.metrics.seen import Seen
from perceptbench.results.memory_store import MemoryStore
from perceptbench.results.record import Record
from perceptbench.results.rows import rows_of
from perceptbench.results.store import RunStore
from perceptbench.results.tasks.base import scores_of
from perceptbench.tasks.base import Aim
from perceptbench.tasks.matching import Matching
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.testing.samples import pairs, pairs_source, random_images
from perceptbench.triplets.pairs import Pairs, PairSource, calibrates

DISTANCES = [0.2, 0.4, 0.5, 0.6, 0.3, 0.55, 0.8]
SAME = [True] * 4 + [False] * 3
TAU = 0.45


def made(metric: Metric, source: PairSource, task: str = f"matching(tau={TAU})", **more: object) -> Record:
    """One run in memory."""
    asked = {"attacks": ["l2-fmn(steps=60)"], "eps": (0.1, 0.5, 2.0), "skip_certified": False, **more}
    plans = make_plans(Request(metrics=[Held("metric", metric)], data=[Held("mine", source)], task=task, **asked))
    (record,) = run_plans(plans, MemoryStore(), 4)
    return record


def first(record: Record):
    """One row a pair."""
    return record.samples[record.samples["eps"] == record.spec["eps"][0]].set_index("id")


@pytest.mark.parametrize("move", ["reference", "all"])
@pytest.mark.parametrize("goal", ["evade", "collide"])
def test_the_radius_of_pixel_l2_is_the_smallest_evasion_and_the_smallest_collision(goal: str, move: str) -> None:
    record = made(PixelL2(), pairs_source(pairs(DISTANCES, SAME)), goal=goal, move=move)
    gap = np.abs(np.array(DISTANCES) - TAU) / (math.sqrt(2) if move == "all" else 1)
    at_stake = np.array(
        [s and d <= TAU if goal == "evade" else not s and d > TAU for s, d in zip(SAME, DISTANCES, strict=True)]
    )
    clean = first(record)
    assert clean["radius"].to_numpy() == pytest.approx(np.where(at_stake, gap, 0), abs=2e-5)
    assert (clean["radius"].to_numpy()[at_stake] < gap[at_stake]).all()
    largest = record.samples[record.samples["eps"] == 2.0]
    assert not largest["robust"].any()
    sizes = largest["size"].to_numpy()[at_stake]
    assert (sizes > clean["radius"].to_numpy()[at_stake]).all()
    assert sizes == pytest.approx(gap[at_stake], rel=0.02)


@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("goal", ["evade", "collide"])
def test_an_orthonormal_embedding_turns_at_its_radius(goal: str, scale: float) -> None:
    """Cosine of Q^T (x - 1/2): the nearest image at an angle t from here is |g| sin t away."""
    metric = ProjectionCosine(192, scale=scale)
    x, y = 0.4 + 0.2 * random_images(6, 8, seed=1), 0.4 + 0.2 * random_images(6, 8, seed=2)
    batch = Pairs(x, y, torch.full((6,), goal == "evade"), tuple("abcdef"))
    d = metric(x, y)
    tau = float(np.float32(d.max() + 0.05 if goal == "evade" else d.min() - 0.1))
    prepared = Matching(tau=tau).prepare(metric, batch, Aim(goal), {"tau": tau})
    radius = Matching(tau=tau).prove(prepared, Margin(), Threat(), Noise.make(0, batch.ids)).radius
    g, h = ((v.double().flatten(1) - 0.5) @ metric.basis for v in (x, y))
    turn = (math.acos(1 - tau) - torch.nn.functional.cosine_similarity(g, h).acos()).abs()
    exact = g.norm(dim=1) * turn.clamp(max=math.pi / 2).sin()
    assert (radius > 0).all()
    assert (radius <= exact).all()
    torch.testing.assert_close(radius, exact, rtol=1e-3, atol=1e-4)
    objective = Matching(tau=tau).objective(prepared)
    for factor, turned in ((0.999, False), (1.001, True)):
        moved = _turned(metric, x, y, factor * exact, away=goal == "evade")
        assert objective.reached(objective.value(moved)).tolist() == [turned] * 6


def _turned(metric: ProjectionCosine, x: Tensor, y: Tensor, size: Tensor, *, away: bool) -> Tensor:
    """x moved by this size so that its embedding turns as far as it can in the plane of both embeddings."""
    g, h = ((v.double().flatten(1) - 0.5) @ metric.basis for v in (x, y))
    along = torch.nn.functional.normalize(g, dim=1)
    aside = torch.nn.functional.normalize(h - (h * along).sum(1, keepdim=True) * along, dim=1) * (-1 if away else 1)
    turn = (size / g.norm(dim=1)).clamp(max=1).asin()[:, None]
    # Of all changes of this size, the one that ends on the tangent turns furthest.
    delta = size[:, None] * (-turn.sin() * along + turn.cos() * aside)
    return x.double() + (delta @ metric.basis.T).view_as(x)


def test_a_distance_of_tau_is_a_match_whoever_that_helps() -> None:
    """An attacker who ends at tau has collided and has not evaded."""
    at_tau = torch.full((2, 3, 8, 8), 0.5)
    other = at_tau.clone()
    other[:, 0, 0, 0] += 0.25
    for goal, same, reached in (("evade", True, False), ("collide", False, True)):
        batch = Pairs(at_tau, other, torch.tensor([same] * 2), ("a", "b"))
        tau = 0.25
        prepared = Matching(tau=tau).prepare(PixelL2(), batch, Aim(goal), {"tau": tau})
        clean = Matching(tau=tau).clean(prepared)
        assert clean.columns["matched"].tolist() == [True, True]  # type: ignore[union-attr]
        # A different pair at tau is no stake: it matches already.
        assert prepared.at_stake.tolist() == [same] * 2
        stake = replace(prepared, at_stake=torch.tensor([True, True]))
        judged = Matching(tau=tau).judge(stake, at_tau, torch.arange(2))
        assert judged.reached.tolist() == [reached] * 2
        assert Matching(tau=tau).objective(stake).reached(torch.zeros(2)).tolist() == [reached] * 2
        proof = Matching(tau=tau).prove(prepared, Margin(), Threat(), Noise.make(0, batch.ids))
        assert proof.radius.tolist() == [0.0, 0.0]


def halves(n: int) -> tuple[list[str], list[str]]:
    """n photographs of the calibration half and n of the other one."""
    names = [f"photo {i}" for i in range(20 * n)]
    return [one for one in names if calibrates(one)][:n], [one for one in names if not calibrates(one)][:n]


def library(calibration: list[float], reported: list[float]) -> PairSource:
    """Different pairs at these distances in each half, three same pairs in each, and a pair of both halves at 0.01."""
    fitted, kept = halves(max(len(calibration), len(reported)) + 1)
    distances, same, names = [], [], []
    for photographs, found in ((fitted, calibration), (kept, reported)):
        for i, d in enumerate(found):
            distances, same = [*distances, d], [*same, False]
            names.append((photographs[i], photographs[i + 1]))
        for i in range(3):
            distances, same = [*distances, 0.05], [*same, True]
            names.append((photographs[i], photographs[i]))
    distances, same = [*distances, 0.01], [*same, False]
    names.append((fitted[0], kept[0]))
    return pairs_source(pairs(distances, same), names)


def test_the_threshold_is_the_largest_with_no_more_false_matches_than_asked() -> None:
    """Of ten different pairs of the calibration half a rate of 0.3 allows three; the reported half says nothing."""
    found = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    source = library(found, [0.02] * 4)
    state = Matching(fpr=0.3).fit(PixelL2(), source, "cpu")
    negatives = sorted(PixelL2()(*batch_of(source, found)).tolist())
    assert state == {
        "tau": float(np.nextafter(np.float32(negatives[3]), np.float32(0))),
        "calibration_pairs": 10,
        "calibration_matches": 3,
    }


def batch_of(source: PairSource, found: list[float]) -> tuple[Tensor, Tensor]:
    """The images of the first pairs."""
    batch = source.batch(source.entries[: len(found)])
    return batch.reference, batch.other


def test_equal_distances_at_the_threshold_are_all_left_out() -> None:
    """Two pairs at the distance that would be the fourth and the third match: neither may."""
    source = library([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], [0.5])
    entries = list(source.entries)
    entries[2] = replace(entries[2], load=entries[3].load)
    state = Matching(fpr=0.3).fit(PixelL2(), replace(source, entries=tuple(entries)), "cpu")
    assert state["calibration_matches"] == 2
    assert float(state["tau"]) < 0.4  # type: ignore[arg-type]


def test_only_the_other_half_is_reported_and_the_threshold_is_kept(tmp_path) -> None:
    """Its false-positive rate is its own: 3 of 4, where the calibration half has 3 of 10."""
    source = library([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], [0.02, 0.03, 0.04, 0.9])
    record = made(PixelL2(), source, "matching(fpr=0.3)")
    kept = {one.id for one in source.entries if not calibrates(one.reference) and not calibrates(one.other)}
    assert set(record.samples["id"]) == kept
    rates = {row.measure: row.score for row in rows_of(record) if row.kind == "natural"}
    assert rates["FPR"] == 75.0
    assert rates["TPR"] == 100.0
    assert record.facts["state"]["calibration_pairs"] == 10
    assert record.facts["n"] == 7
    # The attack has moved distances; the threshold is that of clean pairs.
    assert record.facts["state"]["tau"] == pytest.approx(0.4, abs=1e-5)
    store = RunStore(tmp_path)
    request = Request(
        metrics=[Held("metric", PixelL2())], data=[Held("mine", source)], task="matching(fpr=0.3)",
        attacks=["l2-fmn(steps=5)"], eps=(0.5,),
    )  # fmt: skip
    (one,) = run_plans(make_plans(request), store, 4)
    (again,) = run_plans(make_plans(request), store, 2)
    assert again.facts["state"] == one.facts["state"] == record.facts["state"]


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("matching", "wants either a threshold, --tau 0.3, or .*got neither"),
        ("matching(tau=0.3,fpr=0.1)", "got both"),
        ("matching(fpr=0.01)", "--fpr 0.01 wants at least 300 different pairs .* got 10"),
        ("matching(fpr=1)", "between 0 and 1, got 1"),
    ],
)
def test_a_threshold_that_cannot_be_found_is_refused_before_anything_is_embedded(task: str, said: str) -> None:
    source = library([0.1 * i for i in range(1, 11)], [0.5])
    with pytest.raises(UserError, match=said):
        make_plans(Request(metrics=["l2"], data=[Held("mine", source)], task=task, attacks=["l2-fmn"], eps=(1.0,)))


def test_pairs_of_one_kind_alone_cannot_be_reported() -> None:
    fitted, _ = halves(12)
    names = [(fitted[i], fitted[i + 1]) for i in range(10)] + [(fitted[0], fitted[0])]
    source = pairs_source(pairs([0.1 * i for i in range(1, 12)], [False] * 10 + [True]), names)
    with pytest.raises(UserError, match="no pairs of both kinds are left to report"):
        made(PixelL2(), source, "matching(fpr=0.3)")


def test_separate_budgets_are_of_triplets() -> None:
    with pytest.raises(UserError, match="budgets of triplets, and --task matching reads pairs"):
        made(PixelL2(), pairs_source(pairs(DISTANCES, SAME)), move="all", eps_left=0.1, eps_right=0.1)


def test_a_certifier_without_a_proof_of_decisions_is_refused_in_a_sentence() -> None:
    assert isinstance(Margin(), DecisionCertifier)
    batch = pairs([0.2], [True])
    with pytest.raises(UserError, match="the certifier Paper proves nothing about a pair at a threshold"):
        certify_decision(Paper(), Seen(PixelL2(), batch.images), TAU, Threat())


def test_a_radius_in_l_infinity_counts_each_image() -> None:
    """|delta|_inf <= e is |delta|_2 <= e sqrt(192), and two images close the gap together."""
    seen = Seen(PixelL2(), pairs([0.2], [True]).images)
    for move, each in (("reference", 1), ("all", 2)):
        found = certify_decision(Margin(), seen, TAU, Threat(move, "linf")).radius  # type: ignore[arg-type]
        assert float(found[0]) == pytest.approx(0.25 / each / math.sqrt(192), rel=1e-4)


def test_rows_name_what_they_measure() -> None:
    """Two of four same pairs match, one of three different ones; at eps 0.1 one evades (0.4 to 0.45), at 0.5 both."""
    source = pairs_source(pairs(DISTANCES, SAME))
    rows = rows_of(made(PixelL2(), source))
    said = [(row.kind, row.measure, row.better, row.eps, row.n, round(row.score, 1)) for row in rows]
    assert said == [
        ("natural", "TPR", "larger", None, 4, 50.0),
        ("natural", "FPR", "smaller", None, 3, 33.3),
        ("natural", "ROC-AUC", "larger", None, 7, 66.7),
        ("natural", "micro-AP", "larger", None, 7, 77.1),
        ("attack", "evasion rate", "smaller", 0.1, 2, 50.0),
        ("certificate", "evasion rate", "smaller", 0.1, 2, 50.0),
        ("attack", "evasion rate", "smaller", 0.5, 2, 100.0),
        ("certificate", "evasion rate", "smaller", 0.5, 2, 100.0),
        ("attack", "evasion rate", "smaller", 2.0, 2, 100.0),
        ("certificate", "evasion rate", "smaller", 2.0, 2, 100.0),
    ]
    collided = rows_of(made(PixelL2(), source, goal="collide"))
    assert [row.measure for row in collided[:2]] == ["FPR", "TPR"]
    assert {(row.measure, row.n) for row in collided if row.kind != "natural"} == {("collision rate", 2)}


def test_the_gate_compares_decisions() -> None:
    record = made(PixelL2(), pairs_source(pairs(DISTANCES, SAME)))
    gated = scores_of(record.task).gated(record)
    assert gated is not None
    at = record.samples["eps"] == 0.1
    assert gated.natural[at].tolist() == [True, True, False, False, False, True, True]
    assert gated.attacked[at].tolist() == [True, False, False, False, False, True, True]
    assert (gated.natural_margin > 0.05).all()  # type: ignore[operator]
