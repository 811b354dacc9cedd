"""Batches are functions of seed, stage and step; processes share them; nothing held out is among them."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from perceptbench.core.errors import UserError
from perceptbench.training.lipsim.data.batch import Share, TrainingBatch
from perceptbench.training.lipsim.data.neighbours import neighbours
from perceptbench.training.lipsim.data.order_batches import Key, Mixed, OrderBatches
from perceptbench.training.lipsim.data.views import to_bytes, to_floats

KEY = Key(0, "distil")


@pytest.fixture
def make_batches(make_items):
    items = make_items()

    def make(key=KEY, share=Share(), **changes) -> OrderBatches:  # noqa: B008 - frozen
        options = {"size": 24, "cluster": 4, "same_photo": 0, "clustered": 0.5, "jitter": 0.5} | changes
        return OrderBatches(items=items, alike=neighbours(items, 6), key=key, share=share, **options)

    return make


def same(one: TrainingBatch, other: TrainingBatch) -> bool:
    return (
        one.kind == other.kind
        and torch.equal(one.images, other.images)
        and torch.allclose(one.target, other.target, atol=1e-6)
    )


def test_a_batch_follows_from_its_step_in_any_order_and_process(make_batches):
    batches = make_batches()
    forwards = [batches[step] for step in range(4)]
    assert all(same(make_batches()[step], forwards[step]) for step in reversed(range(4)))
    loader = DataLoader(
        pickle.loads(pickle.dumps(batches)), None, sampler=range(1, 4), num_workers=1, generator=torch.Generator()
    )
    assert all(same(one, other) for one, other in zip(loader, forwards[1:], strict=True))
    assert not any(same(one, other) for one, other in pairwise(forwards))
    for key in (Key(1, "distil"), Key(0, "finetune")):
        assert make_batches(key).draw(2) != batches.draw(2)


def test_two_processes_see_together_what_one_sees(make_batches):
    for step in range(3):
        whole = make_batches()[step]
        parts = [make_batches(share=Share(rank, 2))[step] for rank in range(2)]
        assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
        assert all(torch.equal(part.target, whole.target) for part in parts)
        assert whole.target.shape == (24, 24)
    with pytest.raises(UserError, match="5 processes share equally, got 24"):
        make_batches(share=Share(0, 5))


def test_the_student_sees_what_the_teacher_saw_but_for_the_jitter(make_batches):
    plain, jittered = make_batches(jitter=0.0), make_batches(jitter=0.5)
    for step in range(3):
        items = plain.draw(step)
        expected = to_floats(to_bytes([plain.items.image(item) for item in items]))
        batch = plain[step]
        assert batch.kind == "order"
        assert torch.equal(batch.images, expected)
        assert torch.equal(batch.target, plain.items.similarities(items))
        assert torch.equal(jittered[step].target, batch.target)
        changed = (jittered[step].images != expected).flatten(1).any(1)
        assert 3 < changed.sum() < 21


def test_items_of_a_batch_are_different_and_batches_are_full(make_batches):
    for batches in (make_batches(clustered=0.0), make_batches(clustered=1.0), make_batches(size=90)):
        for step in range(20):
            drawn = batches.draw(step)
            assert len(set(drawn)) == batches.size == len(drawn)
            assert min(drawn) >= 0
            assert max(drawn) < 90
    with pytest.raises(UserError, match=r"at least 91 images .* got 90 \(30 photographs at 3 views\)"):
        make_batches(size=91)


def test_clusters_are_of_neighbours_with_one_other_view_of_a_photograph_at_most(make_batches):
    batches = make_batches(size=12, cluster=4, clustered=1.0)
    inside = 0
    for step in range(40):
        drawn = batches.draw(step)
        for start in range(0, 12, 4):
            seed, *mates = drawn[start : start + 4]
            if set(mates) <= set(batches.alike.array[seed].tolist()):
                inside += 1
                assert len({mate // 3 for mate in mates}) == 3
    # Where clusters meet, what is missing is drawn at random, and the later ones move up.
    assert inside > 60
    shares = [
        sum(same_photo(make_batches(size=12, clustered=c).draw(step)) for step in range(60)) for c in (0.0, 0.5, 1.0)
    ]
    assert shares[0] < shares[1] < shares[2]


def test_kin_are_other_views_of_the_photograph_a_cluster_is_drawn_around(make_batches):
    for same_photo, mates in ((1, 1), (2, 2), (3, 2)):
        whole = 0
        for step in range(40):
            drawn = make_batches(size=12, cluster=4, same_photo=same_photo, clustered=1.0).draw(step)
            for start in range(0, 12, 4):
                photos = [item // 3 for item in drawn[start : start + 4]]
                whole += photos.count(photos[0]) >= 1 + mates
        # Where clusters meet, the later ones move up.
        assert whole > 80


def same_photo(drawn: list[int]) -> int:
    return len(drawn) - len({item // 3 for item in drawn})


def test_all_items_come_up(make_batches):
    seen = {item for step in range(60) for item in make_batches().draw(step)}
    assert seen == set(range(90))


def test_holding_out_leaks_no_photograph(make_items):
    items = make_items()
    learn, held = items.split(4)
    assert len(learn.photographs) + len(held.photographs) == 30
    assert not set(learn.photographs.digests) & set(held.photographs.digests)
    assert len(learn) == 3 * len(learn.photographs)
    unseen = {held.image(i).tobytes() for i in range(len(held))}
    batches = OrderBatches(
        items=learn, alike=neighbours(learn, 6), size=18, cluster=4, same_photo=0, clustered=0.5, jitter=0.0, key=KEY
    )
    for step in range(12):
        assert not unseen & {learn.image(item).tobytes() for item in batches.draw(step)}
    # A part keeps its own embeddings.
    first = items.photographs.names.index(held.photographs.names[1])
    assert torch.equal(held.unit([3, 4, 5]), items.unit(range(3 * first, 3 * first + 3)))
    assert held.image(4).tobytes() == items.image(3 * first + 1).tobytes()
    with pytest.raises(UserError, match="three held out"):
        make_items(limit=6).split(1000)


class Named:
    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __getitem__(self, step: int) -> TrainingBatch:
        return TrainingBatch(self.kind, torch.full((1,), float(step)), torch.zeros(1))


def test_a_mixture_draws_its_kind_by_lot():
    mixed = Mixed([Named("order"), Named("triplets")], [0.25, 0.75], KEY)
    kinds = [mixed[step].kind for step in range(400)]
    assert kinds == [mixed[step].kind for step in range(400)]
    assert 70 < kinds.count("order") < 130
    assert mixed[17].images.item() == 17
    other = Mixed(mixed.parts, mixed.weights, Key(1, "distil"))
    assert kinds != [other[step].kind for step in range(400)]
    assert np.unique(kinds).tolist() == ["order", "triplets"]
