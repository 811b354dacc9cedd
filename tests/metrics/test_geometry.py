"""Closed forms against numerical optimisers."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from perceptbench.metrics.spaces import geometry
from perceptbench.metrics.spaces.cosine import Lifted, Raw, cosine_paper_radius
from perceptbench.metrics.spaces.euclidean import Euclid
from perceptbench.testing.samples import generator


def vectors(n: int, d: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=generator(seed), dtype=torch.float64)


def _cos(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_cosine_distance() -> None:
    a, b = vectors(20, seed=1), vectors(20, seed=2)
    torch.testing.assert_close(geometry.cosine_distance(a, b), 1 - torch.nn.functional.cosine_similarity(a, b))
    assert geometry.cosine_distance(a, 3 * a).abs().max() < 1e-15
    near = (a + 1e-4 * b).float()
    exact = 1 - torch.nn.functional.cosine_similarity(a.float().double(), near.double())
    torch.testing.assert_close(geometry.cosine_distance(a.float(), near).double(), exact, rtol=1e-2, atol=0)


def test_angle_is_accurate_at_both_ends() -> None:
    turn = torch.tensor([0.0, 1e-9, 1e-3, 1.0, math.pi / 2, math.pi - 1e-7, math.pi], dtype=torch.float64)
    a = torch.tensor([[2.0, 0.0]], dtype=torch.float64).expand(7, 2)
    b = 3 * torch.stack([turn.cos(), turn.sin()], dim=1)
    torch.testing.assert_close(geometry.angle(a, b), turn, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["cosine", "euclidean"])
def test_radius_is_the_distance_to_the_nearest_undecided_embedding(kind: str) -> None:
    boundary = {"cosine": Raw(), "euclidean": Euclid()}[kind].boundary
    g, a, b = vectors(4, seed=3), vectors(4, seed=4), vectors(4, seed=5)
    lipschitz = 2.5
    signed = geometry.signed_radius(g, *boundary(a, b), lipschitz)
    for i in range(4):
        gi, ai, bi = (t[i].numpy() for t in (g, a, b))

        def undecided(z: np.ndarray, ai: np.ndarray = ai, bi: np.ndarray = bi) -> float:
            if kind == "cosine":
                return _cos(z, ai) - _cos(z, bi)
            return float(np.linalg.norm(z - ai) - np.linalg.norm(z - bi))

        found = min(
            (
                minimize(
                    lambda z, gi=gi: ((z - gi) ** 2).sum(),
                    start,
                    constraints={"type": "eq", "fun": undecided},
                    method="SLSQP",
                    options={"ftol": 1e-15, "maxiter": 300},
                )
                for start in (gi + 0.1 * vectors(3, seed=10 + i).numpy())
            ),
            key=lambda r: r.fun if abs(undecided(r.x)) < 1e-9 else np.inf,
        )
        assert abs(signed[i].item()) * lipschitz == pytest.approx(math.sqrt(found.fun), abs=1e-6)
        nearer_to_right = undecided(gi) < 0 if kind == "cosine" else undecided(gi) > 0
        assert (signed[i].item() > 0) == nearer_to_right


def test_equal_anchors_have_no_side() -> None:
    g, a = vectors(3, seed=1), vectors(3, seed=2)
    for boundary in (Raw().boundary, Euclid().boundary):
        assert geometry.signed_radius(g, *boundary(a, a.clone()), 1.0).tolist() == [0.0] * 3


def test_paper_radius_is_the_raw_one_over_the_norm() -> None:
    g, a, b = vectors(5, seed=3), vectors(5, seed=4), vectors(5, seed=5)
    raw = geometry.signed_radius(g, *Raw().boundary(a, b), 1.0)
    torch.testing.assert_close(cosine_paper_radius(g, a, b) * g.norm(dim=1), raw)


@pytest.mark.parametrize("eps", [0.1, 0.6, 50.0])
@pytest.mark.parametrize("kind", ["cosine", "euclidean"])
def test_interval_is_what_a_ball_of_embeddings_reaches_and_no_more(kind: str, eps: float) -> None:
    a, b = vectors(4, seed=6), vectors(4, seed=7)
    low, high = (Raw() if kind == "cosine" else Euclid()).interval(a, b, eps)
    for i in range(4):
        ai, bi = a[i].numpy(), b[i].numpy()

        def distance(delta: np.ndarray, ai: np.ndarray = ai, bi: np.ndarray = bi) -> float:
            z = ai + delta
            return 1 - _cos(z, bi) if kind == "cosine" else float(np.linalg.norm(z - bi))

        inside = {"type": "ineq", "fun": lambda delta: eps**2 - (delta**2).sum()}
        starts = list(0.1 * min(eps, 1) * vectors(3, seed=20 + i).numpy())
        # Where the ball holds the target's ray, both ends lie on that line.
        starts += [-ai + 0.1 * bi, -ai - 0.1 * bi] if eps > 10 else []
        for sign, bound in ((1, low[i].item()), (-1, high[i].item())):
            reached = [
                minimize(
                    lambda d, sign=sign: sign * distance(d),
                    start,
                    constraints=inside,
                    method="SLSQP",
                    options={"ftol": 1e-14, "maxiter": 300},
                )
                for start in starts
            ]
            valid = [sign * r.fun for r in reached if (r.x**2).sum() <= eps**2 * (1 + 1e-9)]
            best = min(valid) if sign == 1 else max(valid)
            assert best == pytest.approx(bound, abs=2e-6)


def test_a_ball_that_holds_the_origin_reaches_every_direction() -> None:
    a, b = vectors(3, seed=1), vectors(3, seed=2)
    low, high = Raw().interval(a, b, float(a.norm(dim=1).max()))
    assert low.tolist() == [0.0] * 3
    assert high.tolist() == [2.0] * 3


def test_angle_and_distance_are_each_others_inverse() -> None:
    turned = torch.tensor([0.0, 1e-9, 1e-3, 1.0, math.pi / 2, 3.0, math.pi], dtype=torch.float64)
    torch.testing.assert_close(geometry.angle_at(geometry.distance_at(turned)), turned, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(geometry.distance_at(turned), 1 - turned.cos(), rtol=1e-9, atol=1e-15)
    assert geometry.angle_at(torch.tensor([-0.1, 2.1])).tolist() == pytest.approx([0, math.pi])


def test_the_lifted_plane_is_that_of_the_lifted_cosine() -> None:
    """<(g, 1), normal> = offset exactly where both lifted cosines agree; the last coordinate is not used."""
    g, a, b = (geometry.lift(vectors(6, seed=s)) for s in (3, 4, 5))
    normal, offset = Lifted().boundary(a, b)
    assert (normal[:, -1] == 0).all()
    side = (g * normal).sum(1) - offset
    torch.testing.assert_close(side, ((g * (Raw().boundary(a, b)[0])).sum(1)))
    on_it = g - (side / normal.square().sum(1))[:, None] * normal
    assert (on_it[:, -1] == 1).all()
    torch.testing.assert_close(geometry.cosine_distance(on_it, a), geometry.cosine_distance(on_it, b))
