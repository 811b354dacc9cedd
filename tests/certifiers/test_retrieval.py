"""Retrieval radii against the pairwise radii one by one, and against perturbed queries."""

import pytest
import torch

from perceptbench.certifiers.retrieval import top1_radius, top_k_radius
from perceptbench.core.errors import UserError
from perceptbench.metrics.base import LipschitzMetric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.known_metrics import LiftedProjection, ProjectionCosine
from perceptbench.testing.samples import random_images

METRICS = {"raw, L = 2": ProjectionCosine(192, scale=2.0), "lifted": LiftedProjection(192), "l2": PixelL2()}


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
