"""Retrieval radii against the pairwise radii one by one, and against perturbed queries."""

import pytest
import torch

from perceptbench.certifiers import rank_radius as module
from perceptbench.certifiers.margin import Margin
from perceptbench.certifiers.rank_radius import RankedGallery, top1_radius, top_k_radius
from perceptbench.core.errors import UserError
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import LipschitzMetric
from perceptbench.metrics.classical.pixel import PSNR, PixelL2
from perceptbench.metrics.seen import Seen
from perceptbench.metrics.spaces.space import Answer
from perceptbench.testing.known_metrics import LiftedProjection, ProjectionCosine, Torus
from perceptbench.testing.samples import random_images

METRICS = {
    "raw, L = 2": ProjectionCosine(192, scale=2.0), "lifted": LiftedProjection(192), "l2": PixelL2(), "psnr": PSNR(),
    "sphere": Torus(192),
}  # fmt: skip


@pytest.fixture(params=METRICS)
def metric(request: pytest.FixtureRequest) -> LipschitzMetric:
    return METRICS[request.param]


def embedded(metric: LipschitzMetric) -> tuple[torch.Tensor, torch.Tensor]:
    return metric.embed(random_images(4, seed=1).double()), metric.embed(random_images(9, seed=2).double())


def test_top_k_is_the_kth_smallest_pairwise_radius(metric: LipschitzMetric) -> None:
    query, gallery = embedded(metric)
    for k in (1, 2, 5, 8):
        best, radius = top_k_radius(metric, query, gallery, k)
        for i, g in enumerate(query):
            distances = [float(metric.compare(g[None], y[None])) for y in gallery]
            assert int(best[i]) == min(range(9), key=distances.__getitem__)
            rivals = [j for j in range(9) if j != int(best[i])]
            own = gallery[best[i]][None]
            pairwise = sorted(
                float(metric.space.signed_radius(g[None], gallery[j][None], own)) / metric.lipschitz for j in rivals
            )
            assert float(radius[i]) == pytest.approx(pairwise[k - 1])


def test_top1_holds_within_its_radius_and_falls_beyond() -> None:
    """Towards the plane of the nearest rival, in pixels: exact for pixel l2."""
    metric = PixelL2()
    x, gallery = random_images(4, seed=1).double(), metric.embed(random_images(9, seed=2).double())
    best, radius = top1_radius(metric, metric.embed(x), gallery)
    for i in range(4):
        g, own = metric.embed(x[i : i + 1]), gallery[best[i]][None]
        normals = own - gallery
        ways = [
            float(metric.space.signed_radius(g, y[None], own)) / metric.lipschitz if j != best[i] else 9e9
            for j, y in enumerate(gallery)
        ]
        normal = normals[min(range(9), key=ways.__getitem__)]
        for factor, same in ((0.999, True), (1.001, False)):
            moved = g - factor * radius[i] * normal / normal.norm()
            now = int((moved - gallery).norm(dim=1).argmin())
            assert (now == int(best[i])) == same


def test_the_match_stays_among_the_top_k_for_random_changes(metric: LipschitzMetric) -> None:
    x = random_images(4, seed=1).double()
    query, gallery = embedded(metric)
    draw = torch.Generator().manual_seed(0)
    for k in (1, 3):
        best, radius = top_k_radius(metric, query, gallery, k)
        for _ in range(20):
            delta = torch.randn(x.shape, generator=draw, dtype=torch.float64)
            delta *= (0.999 * radius / delta.flatten(1).norm(dim=1))[:, None, None, None]
            moved = metric.embed(x + delta)
            for i in range(4):
                distances = metric.compare(moved[i].expand(9, -1), gallery)
                assert int((distances < distances[best[i]]).sum()) < k


def test_more_places_are_never_less_safe(metric: LipschitzMetric) -> None:
    query, gallery = embedded(metric)
    radii = torch.stack([top_k_radius(metric, query, gallery, k)[1] for k in range(1, 9)])
    assert (radii.diff(dim=0) >= 0).all()


def test_edges() -> None:
    metric = PixelL2()
    query, gallery = embedded(metric)
    assert top_k_radius(metric, query, gallery, 9)[1].tolist() == [torch.inf] * 4
    twice = torch.cat([gallery, gallery])
    assert top1_radius(metric, query, twice)[1].tolist() == [0.0] * 4
    assert (top_k_radius(metric, query, twice, 2)[1] > 0).all()
    for bad in (gallery[:0], gallery):
        with pytest.raises(UserError, match="k of at least 1"):
            top_k_radius(metric, query, bad, 1 if len(bad) == 0 else 0)


def ranked(metric: LipschitzMetric, x: torch.Tensor, gallery: torch.Tensor) -> RankedGallery:
    """One query (3, h, w) beside a gallery, as a run has them."""
    rows, exact = metric.embed(gallery).numpy(), metric.double().embed(gallery.double()).numpy()
    query, query_exact = metric.embed(x[None])[0], metric.double().embed(x[None].double())[0]
    return RankedGallery(Margin(), metric, query, query_exact, rows, exact, Threat())


def triplet_radii(metric: LipschitzMetric, x: torch.Tensor, one: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """What `margin` claims for the triplets (x, other, one), the image `one` being preferred."""
    n = len(others)
    images = {"reference": x.expand(n, -1, -1, -1), "left": others, "right": one.expand(n, -1, -1, -1)}
    return Margin().prove(Seen(metric, images), torch.ones(n), Threat(), None).radius


def test_a_claim_is_the_kth_smallest_of_the_radii_of_triplets(metric: LipschitzMetric) -> None:
    """The best of two right images; for a rival that is to stay outside, the k-th largest.

    float32 rounds one image otherwise than a batch, hence the tolerance.
    """
    x, gallery = random_images(1, seed=1)[0], random_images(9, seed=2)
    order = metric.compare(metric.embed(x[None]).expand(9, -1), metric.embed(gallery)).argsort()
    gallery = gallery[order]
    query, right, rivals = ranked(metric, x, gallery), torch.zeros(9, dtype=torch.bool), torch.ones(9, dtype=torch.bool)
    right[[0, 2]], rivals[[0, 2]] = True, False
    for k in (1, 2, 5):
        each = [triplet_radii(metric, x, gallery[i], gallery[rivals]).sort().values[k - 1] for i in (0, 2)]
        radius, error = query.stays_inside(right, rivals, k, most=2)
        assert float(radius) == pytest.approx(float(max(each)), rel=1e-3)
        assert error > 0
        only = torch.arange(9) == 0
        ideal = top_k_radius(metric.double(), metric.double().embed(x[None].double()), torch.from_numpy(
            metric.double().embed(gallery.double()).numpy()), k)[1]  # fmt: skip
        alone, taken = query.stays_inside(only, ~only, k, most=2)
        assert alone < ideal[0], "the float error is taken off"
        assert float(alone + taken) == pytest.approx(float(ideal[0]), rel=1e-9)
        others = torch.arange(9) != 6
        nearer = torch.cat([triplet_radii(metric, x, gallery[j], gallery[6:7]) for j in range(9) if j != 6])
        outside, _ = query.stays_outside(6, others, k)
        assert float(outside) == pytest.approx(float(nearer.sort(descending=True).values[k - 1]), rel=1e-3)


def test_ties_and_places_that_are_lost_already_claim_nothing() -> None:
    metric, gallery = PixelL2(), random_images(6, seed=2)
    gallery = torch.cat([gallery, gallery])
    x = gallery[0]
    query, own = ranked(metric, x, gallery), torch.arange(12) == 0
    assert query.stays_inside(own, ~own, 1, most=1)[0] == 0
    assert query.stays_inside(own, ~own, 2, most=1)[0] > 0
    assert query.stays_inside(own, torch.arange(12) == 6, 2, most=1)[0] == torch.inf
    assert query.stays_outside(0, ~own, 1)[0] == 0


def test_parts_of_a_gallery_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    metric, gallery = ProjectionCosine(192), random_images(9, seed=2)
    query, own = ranked(metric, random_images(1, seed=1)[0], gallery), torch.arange(9) == 3
    whole = [query.stays_inside(own, ~own, 3, most=1), query.stays_outside(3, ~own, 3)]
    monkeypatch.setattr(module, "_FLOATS", 2 * 16)
    parts = [query.stays_inside(own, ~own, 3, most=1), query.stays_outside(3, ~own, 3)]
    assert torch.equal(torch.stack(whole), torch.stack(parts))


def test_a_rival_that_nearly_equals_the_match_keeps_its_digits() -> None:
    """Few coordinates hold each triple: its radius is that of all coordinates to many digits."""
    metric = ProjectionCosine(192, k=64)
    x, one = metric.embed(random_images(2, seed=1).double())
    others = one - 1e-7 * metric.embed(random_images(5, seed=3).double())
    answer = torch.zeros(5, dtype=torch.float64)
    whole = metric.space.separate_radius(
        Answer(x.expand(5, -1), one.expand(5, -1), others, answer), answer, answer, True
    )
    query, mine, few = module._reduced(0, x, one, others)
    assert few.shape == (5, 3)
    part = metric.space.separate_radius(Answer(query, mine, few, answer), answer, answer, True)
    assert torch.allclose(part, whole, rtol=1e-6, atol=1e-12)
    assert bool((whole > 0).any())
