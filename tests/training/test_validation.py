"""Validation triplets: of what is held out, ordered as the teacher orders them, and always the same."""

import torch

from perceptbench.training.lipsim.data.neighbours import neighbours
from perceptbench.training.lipsim.validation import _ordered, validation_triplets


def test_three_items_in_order_give_three_triplets():
    similar = torch.tensor([[1.0, 0.9, 0.2], [0.9, 1.0, 0.5], [0.2, 0.5, 1.0]])
    triplets, weight = _ordered(similar)
    assert triplets.tolist() == [[0, 2, 1], [1, 2, 0], [2, 0, 1]]
    assert torch.allclose(weight, torch.tensor([0.7, 0.4, 0.3]))
    assert len(_ordered(torch.ones(4, 4))[0]) == 0


def test_they_are_ordered_as_the_teacher_orders_them_within_clusters(make_items, mosaic):
    _, held = make_items(count=4).split(3)
    alike = neighbours(held, 5)
    found = validation_triplets(held, alike, most=20, cluster=4)
    assert found.images.shape[1:] == (3, 16, 16)
    assert len(found.images) <= 20
    unit = torch.nn.functional.normalize(mosaic().embed(found.floats(slice(None))), dim=1)
    i, j, k = found.triplets.T
    gain = (unit[i] * (unit[k] - unit[j])).sum(1)
    assert torch.allclose(gain, found.weight, atol=0.02)
    assert (found.weight > 0).all()
    # All pairs of a cluster's images besides the reference: 4 * 3 triplets a cluster.
    assert len(found.triplets) == 12 * (len(found.images) // 4)
    assert ((i // 4 == j // 4) & (i // 4 == k // 4)).all()
    again = validation_triplets(held, alike, most=20, cluster=4)
    assert torch.equal(again.images, found.images)
    assert torch.equal(again.triplets, found.triplets)
    own = {held.image(item).tobytes() for item in range(len(held))}
    assert {x.permute(1, 2, 0).numpy().tobytes() for x in found.images} <= own


def test_every_second_cluster_is_half_of_one_photograph(make_items):
    _, held = make_items(count=6).split(3)
    found = validation_triplets(held, neighbours(held, 5), most=60, cluster=6)
    photo_of = {held.image(item).tobytes(): item // 6 for item in range(len(held))}
    photos = [photo_of[x.permute(1, 2, 0).numpy().tobytes()] for x in found.images]
    assert len(photos) == 60
    of_seed = [photos[start : start + 6].count(photos[start]) for start in range(0, 60, 6)]
    assert max(of_seed[::2]) <= 2
    assert set(of_seed[1::2]) <= {3, 4}
