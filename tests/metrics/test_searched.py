"""Searches against a look at every image one by one, ties and hard cases of rounding among them."""

import pytest
import torch
from galleries import near_grey

from perceptbench.metrics.base import EmbeddingMetric, Metric
from perceptbench.metrics.classical.pixel import PSNR, PixelL2
from perceptbench.metrics.search.searched_embeddings import SearchedEmbeddings
from perceptbench.metrics.search.searched_images import SearchedImages
from perceptbench.metrics.search.short_lists import ShortLists
from perceptbench.testing.known_metrics import LiftedProjection, ProjectionCosine


class Manhattan(EmbeddingMetric):
    """Compares in its own way and does not say what its points are."""

    def embed(self, x):
        return x.flatten(1)

    def compare(self, a, b):
        return (a - b).abs().sum(1)


class Pairwise(Metric):
    """Has no embedding."""

    def __call__(self, x, y):
        return (x - y).abs().mean((1, 2, 3))


METRICS = {
    "l2": PixelL2(), "psnr": PSNR(), "cosine": ProjectionCosine(192), "lifted": LiftedProjection(192),
    "own compare": Manhattan(), "no embedding": Pairwise(),
}  # fmt: skip


@pytest.fixture(params=METRICS)
def metric(request):
    return METRICS[request.param]


def images():
    """Twelve images of which three are equal, and two that differ from another one in their last bits."""
    gallery = near_grey(12, seed=1)
    gallery[5], gallery[9] = gallery[2], gallery[2]
    gallery[7] = gallery[3]
    gallery[7, 0, 0, 0] = torch.nextafter(gallery[3, 0, 0, 0], torch.tensor(1.0))
    return gallery, torch.cat([near_grey(4, seed=2), gallery[2:3] + 0.001])


def search(metric, gallery):
    if isinstance(metric, EmbeddingMetric):
        return SearchedEmbeddings(metric, metric.embed(gallery).numpy())
    return SearchedImages(metric, lambda rows: gallery[list(rows)], len(gallery))


def one_by_one(metric, gallery, queries):
    a, b = metric.represent(queries), metric.represent(gallery)
    rows = [metric.compare(a[i : i + 1].expand(len(b), *b.shape[1:]), b) for i in range(len(a))]
    return torch.stack(rows)


def test_places_ranks_and_distances_are_those_of_every_pair(metric):
    gallery, queries = images()
    table, look = one_by_one(metric, gallery, queries), search(metric, gallery).look(metric.represent(queries))
    allowed = torch.ones_like(table, dtype=torch.bool)
    allowed[0, 4] = allowed[1, 2] = False
    hidden = table.masked_fill(~allowed, torch.inf)
    expected, order = hidden.sort(dim=1, stable=True)
    assert torch.equal(look.every(), table)
    for k in (1, 3, 11):
        places, distances = look.nearest(allowed, k)
        assert torch.equal(distances, expected[:, :k])
        assert torch.equal(places, order[:, :k])
    for place in (2, 3, 5, 7):
        at = torch.full((len(queries),), place)
        others = allowed.clone()
        others[:, place] = False
        own = table[:, place : place + 1]
        assert torch.equal(look.ahead(others, at), (others & (table <= own)).sum(1))
        assert torch.equal(look.ahead(others, at, ties=False), (others & (table < own)).sum(1))


def test_pairs_within_tau_are_all_of_them_and_no_others(metric):
    gallery, queries = images()
    table, look = one_by_one(metric, gallery, queries), search(metric, gallery).look(metric.represent(queries))
    allowed = torch.rand(table.shape, generator=torch.Generator().manual_seed(0)) < 0.8
    for tau in (float(table.min()) - 1, float(table[2, 3]), float(table.median()), float(table.max())):
        row, at, distances = look.within(allowed, tau)
        expected = {tuple(pair) for pair in (allowed & (table <= tau)).nonzero().tolist()}
        assert set(zip(row.tolist(), at.tolist(), strict=True)) == expected
        assert len(row) == len(expected)
        assert torch.equal(distances, table[row, at])


def test_near_images_far_from_the_origin_are_not_confused():
    """Where float32 products would lose every digit: two images that differ in one of 192 values by 1e-4."""
    metric, gallery = PixelL2(), 0.9 + 0.0 * near_grey(6)
    for i in range(6):
        gallery[i, 0, 0, 0] += 1e-4 * i
    gallery = gallery[[4, 1, 5, 0, 3, 2]]
    look, every = search(metric, gallery).look(metric.embed(gallery[3:4])), torch.ones(1, 6, dtype=torch.bool)
    for k in range(1, 7):
        assert look.nearest(every, k)[0].tolist() == [[3, 1, 5, 4, 0, 2][:k]]
    assert [int(look.ahead(every, torch.tensor([i]))) for i in range(6)] == [5, 2, 6, 1, 4, 3]


def test_distances_to_single_images_have_gradients(metric):
    gallery, queries = images()
    x = queries.clone().requires_grad_()
    look = search(metric, gallery).look(metric.represent(x))
    place = torch.tensor([0, 1, 3, 4, 6])
    distance = look.distance(place)
    assert torch.equal(distance.detach(), one_by_one(metric, gallery, queries).gather(1, place[:, None])[:, 0])
    assert bool((torch.autograd.grad(distance.sum(), x)[0].flatten(1).norm(dim=1) > 0).all())


def test_a_short_list_is_a_part_of_the_gallery(metric):
    gallery, queries = images()
    places = torch.tensor([[0, 3, 5], [1, 2, 9], [7, 3, 4], [11, 10, 6], [2, 5, 9]])
    lists = ShortLists.of(metric, lambda rows: gallery[list(rows)], places)
    represented = metric.represent(queries)
    expected = one_by_one(metric, gallery, queries).gather(1, places)
    assert torch.allclose(lists.look(represented).every(), expected)
    index = torch.tensor([3, 1])
    part = lists.select(index).look(represented[index])
    assert torch.allclose(part.every(), expected[index])
    assert torch.allclose(part.distance(torch.tensor([2, 0])), expected[index, [2, 0]])


class Counted(Pairwise):
    """Says how many images it has looked at."""

    seen = 0

    def represent(self, x):
        self.seen += len(x)
        return super().represent(x)


@pytest.mark.parametrize(("room", "looks"), [(2**26, 1), (0, 3)])
def test_images_of_a_gallery_are_represented_once_where_there_is_room(monkeypatch, room, looks):
    monkeypatch.setattr("perceptbench.metrics.search.searched_images._KEPT", room)
    gallery, queries = images()
    metric = Counted()
    represented = metric.represent(queries)
    searched, metric.seen = search(metric, gallery), 0
    for _ in range(3):
        assert torch.equal(searched.look(represented).every(), one_by_one(Pairwise(), gallery, queries))
    assert metric.seen == looks * len(gallery)
