"""One change for all, on references whose answers share a normal: the change is that normal."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from perceptbench.attacks.apgd import APGD
from perceptbench.attacks.base import Objective
from perceptbench.attacks.pgd import PGD
from perceptbench.attacks.threats.lp import Ball
from perceptbench.attacks.threats.sent import Sent
from perceptbench.attacks.threats.universal import FITTED_ON, MOST_EPS, Universal, fits
from perceptbench.bench import kept_state
from perceptbench.bench.engines.local import Local
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.bench.runner import run_plans
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.metrics.base import EmbeddingMetric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.results.memory_store import MemoryStore
from perceptbench.results.rows import rows_of
from perceptbench.results.store import RunStore
from perceptbench.testing.samples import generator, pairs, pairs_source, random_images, source_of, triplets
from perceptbench.triplets.base import Triplets, TripletSource

SIDE, N, EPS = 8, 24, 0.2


@dataclass(frozen=True)
class Linear(Objective):
    """loss = <normal, x> - where it is reached: one normal for every image."""

    normal: Tensor
    at: Tensor

    def loss(self, x: Tensor) -> Tensor:
        return (x * self.normal).flatten(1).sum(1) - self.at

    def reached(self, loss: Tensor) -> Tensor:
        return loss >= 0

    def select(self, index: Tensor) -> "Linear":
        return replace(self, at=self.at[index])


def normal(seed: int = 1) -> Tensor:
    way = torch.randn(3, SIDE, SIDE, generator=generator(seed))
    return way / way.norm()


def grey(n: int, seed: int = 2) -> Tensor:
    """Images that no change of EPS takes out of [0, 1]."""
    return 0.5 + 0.1 * (random_images(n, SIDE, seed=seed) - 0.5)


def fitted(threat: Universal, attack: PGD | APGD, distances: Tensor, eps: float) -> tuple[Universal, dict]:
    """Fitted on images that are so far from the goal along the normal."""
    x, way = grey(len(distances)), normal()
    goal = Linear(way, (x * way).flatten(1).sum(1) + distances)
    half = len(x) // 2
    index = torch.arange(len(x))
    goals = [(goal.select(part), x[part]) for part in (index[:half], index[half:])]
    state = threat.learn(attack, goals, [eps], Noise.make(0, ["fit"]))
    return threat.taught(state), state


@pytest.mark.parametrize("attack", [PGD(steps=60), APGD(steps=60)])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_change_is_the_common_normal_and_succeeds_on_whom_it_reaches(norm: str, attack: PGD | APGD) -> None:
    distances = torch.linspace(0.1, 0.9, 12) * EPS * (1 if norm == "l2" else float(normal().abs().sum()))
    eps = EPS
    made, state = fitted(Universal(norm), attack, distances, eps)  # type: ignore[arg-type]
    assert state[FITTED_ON] == 12
    change = made.changes[eps]
    steepest = normal() * eps if norm == "l2" else normal().sign() * eps
    gained = float((change[0] * normal()).sum() / (steepest * normal()).sum())
    assert gained > 0.99, "no change of this size goes further along the normal"
    assert float(Ball(norm).size(change)) <= eps  # type: ignore[arg-type]
    others = grey(9, seed=7)
    found = made.search(attack, Linear(normal(), torch.zeros(9)), others, eps, Noise.make(0, ["x"]))
    torch.testing.assert_close(found, others + change, rtol=0, atol=1e-6)


def test_samples_that_are_lost_already_and_those_beyond_the_cap_do_not_pull_the_change() -> None:
    """Two normals: one of samples that are past the goal, which count for nothing."""
    x, one, other = grey(6), normal(1), normal(2)
    at = (x * one).flatten(1).sum(1) + 0.1
    lost = (x * other).flatten(1).sum(1) - 5.0
    goals = [(Linear(one, at), x), (Linear(other, lost), x)]
    made = Universal("l2")
    state = made.learn(PGD(steps=60), goals, [EPS], Noise.make(0, ["fit"]))
    assert state[FITTED_ON] == 6
    assert float((made.taught(state).changes[EPS][0] * one).sum()) > 0.99 * EPS


def test_a_far_sample_weighs_no_more_than_a_near_one_and_a_won_one_nothing() -> None:
    x, one, other = grey(4), normal(1), normal(2)
    near = Linear(one, (x * one).flatten(1).sum(1) + 0.02)
    far = Linear(other, (x * other).flatten(1).sum(1) + 0.15)
    state = Universal("l2").learn(PGD(steps=80), [(near, x), (far, x)], [EPS], Noise.make(0, ["fit"]))
    change = Universal("l2").taught(state).changes[EPS][0]
    # The cap is the median distance: what has gone that far beyond the near goal is spent on the far one.
    assert float((change * one).sum()) >= 0.02
    assert float((change * other).sum()) >= 0.15


class Squared(EmbeddingMetric):
    """d(x, y) = |x - y|^2, so that d(x, left) - d(x, right) is linear in x, with the normal right - left for all."""

    def embed(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def compare(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b).square().sum(1)


def common(names: list[str] | None = None) -> tuple[TripletSource, dict[str, float]]:
    """Triplets with the same left and right, and how far each reference is from the plane between them, by id."""
    way, middle = normal(), torch.full((3, SIDE, SIDE), 0.5)
    left, right = middle - 0.3 * way, middle + 0.3 * way
    distances = torch.linspace(0.02, 0.39, N)
    noise = 0.02 * (random_images(N, SIDE, seed=4) - 0.5)
    noise = noise - (noise * way).flatten(1).sum(1)[:, None, None, None] * way
    x = middle + noise - distances[:, None, None, None] * way
    label = torch.zeros(N)
    batch = Triplets(x, left.expand_as(x), right.expand_as(x), label, label, tuple(f"t{i}" for i in range(N)))
    source = source_of(batch)
    if names:
        entries = (replace(e, reference=name) for e, name in zip(source.entries, names, strict=True))
        source = replace(source, entries=tuple(entries))
    return source, dict(zip(batch.ids, distances.tolist(), strict=True))


def planned(source: TripletSource, **more: object):
    asked = {"attacks": ["pgd(steps=60)"], "eps": (EPS,), "threat": "universal", "device": "cpu", **more}
    metric = asked.pop("metric", None) or Squared()
    return make_plans(Request(metrics=[Held("metric", metric)], data=[Held("mine", source)], **asked))  # type: ignore[arg-type]


def test_a_run_reports_the_other_half_and_its_success_is_exact() -> None:
    source, distances = common()
    (record,) = run_plans(planned(source), MemoryStore(), 4)
    judged = record.samples.set_index("id")
    half = {name for name in distances if not fits(name)}
    assert set(judged.index) == half
    assert 0 < len(half) < N
    assert judged["correct"].all()
    # The fitted change has 99 % of its length along the normal or more: no distance lies between 0.99 and 1 of EPS.
    wanted = {name: distances[name] > EPS for name in half}
    assert not any(0.985 * EPS < distances[name] <= 1.001 * EPS for name in half)
    assert judged["robust"].to_dict() == wanted
    assert 0 < sum(wanted.values()) < len(half)
    row = next(row for row in rows_of(record) if row.kind == "attack")
    assert row.score == pytest.approx(100 * sum(wanted.values()) / len(half))
    assert row.n == len(half)
    assert f"fitted on {N - len(half)} samples of other references" in row.note
    assert (judged["size"] <= EPS).all()
    assert judged["forwards"].max() < 10, "nothing is searched for a single image"


def test_all_triplets_of_a_reference_are_in_one_half_whatever_the_order() -> None:
    names = [f"photo {i % 6}" for i in range(N)]
    source, _ = common(names)
    threat = Universal("l2")
    judged, kept = threat.split(source)
    of = {entry.id: entry.reference for entry in source.entries}
    first, second = {of[e.id] for e in judged.entries}, {of[e.id] for e in kept}
    assert first and second and not first & second  # noqa: PT018
    assert len(judged.entries) + len(kept) == N
    again, _ = threat.split(replace(source, entries=source.entries[::-1]))
    assert {e.id for e in again.entries} == {e.id for e in judged.entries}


def test_a_pair_whose_photographs_are_of_both_halves_is_in_neither() -> None:
    yes = next(f"a{i}" for i in range(99) if fits(f"a{i}"))
    no = next(f"a{i}" for i in range(99) if not fits(f"a{i}"))
    batch = pairs([0.1, 0.2, 0.3, 0.4], [True, True, False, False])
    source = pairs_source(batch, [(yes, yes), (no, no), (yes, no), (no, no)])
    judged, kept = Universal("l2").split(source)
    assert [e.id for e in judged.entries] == [batch.ids[1], batch.ids[3]]
    assert [e.id for e in kept] == [batch.ids[0]]


@dataclass(frozen=True)
class Stopped(Local):
    """Ends after the first chunk, as a process that is killed."""

    def map(self, job, chunks):
        yield next(iter(super().map(job, list(chunks)[:1])))
        raise KeyboardInterrupt


def test_a_resumed_run_and_a_stored_one_do_not_fit_again(tmp_path, monkeypatch) -> None:
    source, _ = common()
    plans = planned(source, metric=PixelL2())
    whole = run_plans(plans, MemoryStore(), 4)[0]
    store = RunStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_plans(plans, store, 4, engine=Stopped())

    def refuse(*words: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(kept_state, "learned", refuse)
    resumed = run_plans(plans, store, 4)[0]
    assert resumed.facts["resumed"] == 4
    assert resumed.samples["robust"].tolist() == whole.samples["robust"].tolist()
    assert resumed.facts["state"] == whole.facts["state"]
    assert run_plans(plans, store, 4)[0].run == resumed.run


def test_certificates_of_the_ball_hold_and_stand_beside_it() -> None:
    source, _ = common()
    (record,) = run_plans(planned(source, metric=PixelL2(), skip_certified=False), MemoryStore(), 4)
    assert record.spec["norm"] == "l2"
    assert record.norm is None, "it is a part of a ball, and no ball"
    proofs = [row for row in rows_of(record) if row.kind == "certificate"]
    assert [row.threat for row in proofs] == ["universal"]
    samples = record.samples
    assert (samples["size"] >= samples["radius"]).where(~samples["robust"], True).all()


def test_through_a_channel_the_change_is_fitted_to_survive() -> None:
    source, _ = common()
    (record,) = run_plans(planned(source, through=["jpeg(q=90)"]), MemoryStore(), 4)
    plan = planned(source, through=["jpeg(q=90)"])[0]
    assert isinstance(plan.threat, Sent)
    assert record.facts["state"][FITTED_ON] > 0
    assert "fitted on" in record.facts["note"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"attacks": ["l2-pgd"]}, "works in the l2 ball, got --threat universal"),
        ({"move": "all"}, "--threat universal moves reference, left, right, got --move all"),
        ({"eps": tuple(0.1 * i for i in range(1, MOST_EPS + 2))}, f"up to {MOST_EPS} eps, got {MOST_EPS + 1}"),
        ({"threat": "universal(norm=l1)"}, "wants l2 or linf"),
        ({"limit": 1}, "take more data, or a larger --limit"),
        ({"attacks": [], "certifiers": ["margin"], "metric": PixelL2()}, "is fitted by an attack; name one"),
        ({"quantize": "8bit"}, "--quantize 8bit is defined for the threats l2 and linf"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(asked: dict, sentence: str) -> None:
    source, _ = common()
    with pytest.raises(UserError) as caught:
        run_plans(planned(source, **asked), MemoryStore(), 4)
    assert sentence in str(caught.value)


def test_triplets_in_memory_have_no_half_to_fit_it_on() -> None:
    import perceptbench as pb

    batch = triplets([0.2] * 8, seed=1)
    images = batch.reference, batch.left, batch.right
    with pytest.raises(UserError, match="is fitted on a data set: use bench run"):
        pb.attack("l2", *images, "pgd", eps=1, threat="universal", label=batch.label.numpy())


def test_a_change_of_another_size_and_a_damaged_one_are_refused() -> None:
    made, state = fitted(Universal("l2"), PGD(steps=2), torch.linspace(0.01, 0.02, 4), EPS)
    goal = Linear(normal(), torch.zeros(1))
    with pytest.raises(UserError, match=r"fitted at eps \(size of the images\) 0.2 \(8 x 8\), got 0.3 \(8 x 8\)"):
        made.search(PGD(), goal, grey(1), 0.3, Noise.make(0, ["x"]))
    with pytest.raises(UserError, match=r"got 0.2 \(4 x 4\)"):
        made.search(PGD(), goal, random_images(1, 4), EPS, Noise.make(0, ["x"]))
    (name,) = (key for key in state if key != FITTED_ON)
    for damaged in (state[name][:-8], 3, "3x8:" + state[name].partition(":")[2], "3xax8:aaaa"):
        with pytest.raises(UserError, match="is damaged; delete that run"):
            Universal("l2").taught({name: damaged})
