"""Every radius of every space against a general optimiser that knows nothing of it."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from optimiser import distance, least, least_flip
from torch import Tensor

from perceptbench.metrics.spaces.cosine import Angular, Lifted, Raw, Sphere
from perceptbench.metrics.spaces.euclidean import Euclid
from perceptbench.metrics.spaces.geometry import angle, angle_at, distance_at, lift
from perceptbench.metrics.spaces.space import Answer, Space
from perceptbench.testing.samples import generator

SPACES: dict[str, Space] = {"raw": Raw(), "lifted": Lifted(), "sphere": Sphere(), "euclid": Euclid()}
BUDGETS = [(0.0, 0.0), (0.1, 0.05), (0.02, 0.3)]
KINDS = list(SPACES)
FEW = 3
"""Starts of the optimiser where anchors move too: from each of the 8 or 16 tried once it ended at the same flip."""


def triples(kind: str, n: int = 4, k: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Reference, near and far (n, k) with clear answers; unit vectors on the sphere, bare ones for `lifted`."""
    draw = generator(seed)
    made = []
    while len(made) < n:
        x, y, z = (torch.randn(k, generator=draw, dtype=torch.float64) for _ in range(3))
        if kind == "sphere":
            x, y, z = (F.normalize(v, dim=0) for v in (x, y, z))
        if distance(kind, x, z) - distance(kind, x, y) > 0.35:
            made.append((x, y, z))
    x, y, z = (torch.stack(part) for part in zip(*made, strict=True))
    return x, y, z


def answer(kind: str, x: Tensor, y: Tensor, z: Tensor, slack: float = 0.0) -> Answer:
    if kind == "lifted":
        x, y, z = lift(x), lift(y), lift(z)
    return Answer(x, y, z, torch.full_like(x[:, 0], slack))


def separate(kind: str, posed: Answer, budgets: tuple[float, float], exact: bool = True) -> Tensor:
    eps = (torch.full_like(posed.slack, e) for e in budgets)
    return SPACES[kind].separate_radius(posed, *eps, exact)


@pytest.mark.parametrize("kind", KINDS)
def test_case_a_is_the_distance_to_the_nearest_tie(kind: str) -> None:
    x, y, z = triples(kind, seed=1)
    posed = answer(kind, x, y, z)
    signed = SPACES[kind].signed_radius(posed.reference, posed.far, posed.near)
    for i in range(len(x)):
        found = least_flip(kind, x[i], y[i], z[i], (0.0, 0.0))
        assert float(signed[i]) == pytest.approx(found, abs=1e-6)
    torch.testing.assert_close(separate(kind, posed, (0.0, 0.0)), signed, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(SPACES[kind].signed_radius(posed.reference, posed.near, posed.far), -signed)


@pytest.mark.parametrize("budgets", BUDGETS[1:])
@pytest.mark.parametrize("kind", KINDS)
def test_separate_budgets(kind: str, budgets: tuple[float, float]) -> None:
    """Exact; for a lifted embedding sound, since its anchors do not turn as far in every direction."""
    x, y, z = triples(kind, seed=2)
    radius = separate(kind, answer(kind, x, y, z), budgets)
    assert (radius > 0).sum() >= 3
    for i in range(len(x)):
        if radius[i] > 0:
            found = least_flip(kind, x[i], y[i], z[i], budgets, starts=FEW)
            assert float(radius[i]) <= found + 1e-6
            assert float(radius[i]) >= (0.9 * found if kind == "lifted" else found - 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_one_budget_for_all_three(kind: str) -> None:
    """Exact for distances, from below by at most a thousandth for angles."""
    x, y, z = triples(kind, seed=3)
    radius = SPACES[kind].shared_radius(answer(kind, x, y, z), True)
    for i in range(len(x)):
        found = least_flip(kind, x[i], y[i], z[i], None, starts=FEW)
        assert float(radius[i]) <= found + 1e-6
        lowest = {"euclid": found - 1e-6, "lifted": 0.9 * found}.get(kind, found * (1 - 1e-3))
        assert float(radius[i]) >= lowest


@pytest.mark.parametrize("t", [1e-3, 0.05, 0.3])
def test_the_lifted_cone_is_exact_for_given_turns_of_the_anchors(t: float) -> None:
    x, y, z = triples("lifted", seed=4)
    posed = answer("lifted", x, y, z)
    radius = Lifted().leave(posed, torch.full((len(x), 1), t, dtype=torch.float64))[:, 0]

    def angle(a: Tensor, b: Tensor) -> Tensor:
        return (1 - distance("lifted", a, b)).acos()

    for i in range(len(x)):
        xi, yi, zi = x[i], y[i], z[i]
        slack = (lambda v, yi=yi, zi=zi: 2 * t - angle(v, zi) + angle(v, yi),)
        starts = [xi + 0.1 * j * (zi - yi) + 0.05 * torch.randn(4, generator=generator(j)).double() for j in range(6)]
        found = least(lambda v, xi=xi: (v - xi).square().sum(), starts, slack, ()).value ** 0.5
        assert float(radius[i]) == pytest.approx(found, abs=1e-6)


def test_a_reference_in_the_plane_of_its_anchors_leaves_the_cone_sideways() -> None:
    """Y = 0, where the multiplier ends at 1: the nearest flip is out of the plane."""
    phi, t = 0.5, 0.3
    up, side = torch.tensor([0.0, 1, 0, 0], dtype=torch.float64), torch.tensor([1.0, 0, 0, 0], dtype=torch.float64)
    near, far = math.sin(phi) * side + math.cos(phi) * up, -math.sin(phi) * side + math.cos(phi) * up
    x = math.sin(0.8) * side + 0.02 * up
    posed = Answer(x[None], near[None], far[None], torch.zeros(1, dtype=torch.float64))
    radius = float(Raw().leave(posed, torch.full((1, 1), t, dtype=torch.float64)))

    def angle(a: Tensor, b: Tensor) -> Tensor:
        return (1 - distance("raw", a, b)).acos()

    starts = [x + 0.3 * torch.randn(4, generator=generator(i), dtype=torch.float64) for i in range(12)]
    inside = (lambda v: 2 * t - angle(v, far) + angle(v, near),)
    found = least(lambda v: (v - x).square().sum(), starts, inside, ())
    assert found.at[2:].norm() > 0.1
    assert radius == pytest.approx(found.value**0.5, abs=1e-6)


@pytest.mark.parametrize("kind", ["raw", "sphere", "euclid", "lifted"])
@pytest.mark.parametrize("tau", [0.1, 0.7, 1.6])
def test_the_decision_on_a_copy_stands_until_the_distance_is_tau(kind: str, tau: float) -> None:
    """Exact, but for lifted embeddings, which turn further in some directions than in others."""
    a, b, _ = triples(kind, seed=5)
    inputs = (lift(a), lift(b)) if kind == "lifted" else (a, b)
    radius = SPACES[kind].decision_radius(*inputs, torch.full_like(a[:, 0], tau))
    for i in range(len(a)):
        ai, bi = a[i], b[i]
        way = 1 if float(distance(kind, ai, bi)) <= tau else -1
        # As the nearest point where the distance is tau; a raw one can also jump across the origin.
        inside = [lambda v, bi=bi, way=way: way * (distance(kind, v, bi) - tau)]
        on = [lambda v: v.square().sum() - 1] if kind == "sphere" else []
        draw = generator(i)
        starts = [ai + 0.3 * torch.randn(4, generator=draw, dtype=torch.float64) for _ in range(8)]
        starts += [1e-3 * way * (ai - bi), -1e-3 * way * bi, bi + 1e-2 * ai]
        try:
            found = least(lambda v, ai=ai: (v - ai).square().sum(), starts, inside, on).value ** 0.5
        except AssertionError:
            assert kind == "lifted"
            continue
        assert float(radius[i]) <= found + 1e-5
        if kind != "lifted":
            assert float(radius[i]) == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "tau"), [("raw", 0.1), ("raw", 1.6), ("lifted", 0.7), ("sphere", 0.7), ("euclid", 0.7)]
)
def test_both_images_of_a_pair_move_until_the_distance_is_tau(kind: str, tau: float) -> None:
    """Exact, but for lifted embeddings, where the turn of each image is charged as if it were in its best direction."""
    a, b, _ = triples(kind, n=2, seed=5)
    inputs = (lift(a), lift(b)) if kind == "lifted" else (a, b)
    radius = SPACES[kind].joint_decision_radius(*inputs, torch.full_like(a[:, 0], tau))
    for i in range(len(a)):
        clean = torch.cat((a[i], b[i]))
        way = 1 if float(distance(kind, a[i], b[i])) <= tau else -1
        inside = [lambda v, way=way: way * (distance(kind, v[:4], v[4:]) - tau)]
        on = [lambda v: v[:4].square().sum() - 1, lambda v: v[4:].square().sum() - 1] if kind == "sphere" else []
        starts = [clean + 0.3 * torch.randn(8, generator=generator(j), dtype=torch.float64) for j in range(2)]
        starts += [torch.cat((1e-3 * way * (a[i] - b[i]), b[i])), torch.cat((a[i], 1e-3 * way * (b[i] - a[i])))]
        found = least(lambda v, clean=clean: (v - clean).square().sum(), starts, inside, on).value ** 0.5
        assert float(radius[i]) <= found + 1e-5
        if kind != "lifted":
            assert float(radius[i]) == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_each_of_two_images_may_move_lies_between_the_joint_radius_and_its_share(kind: str) -> None:
    """Two changes of size e are one vector of size sqrt(2) e, and a joint change of size r moves neither by more."""
    a, b, _ = triples(kind, n=12, seed=8)
    a, b = (lift(a), lift(b)) if kind == "lifted" else (a, b)
    tau = torch.full_like(a[:, 0], 0.4)
    space = SPACES[kind]
    alone, joint, each = (
        radius(a, b, tau) for radius in (space.decision_radius, space.joint_decision_radius, space.each_decision_radius)
    )
    assert (each >= joint / math.sqrt(2) - 1e-9).all()
    assert (each <= joint + 1e-9).all()
    assert (joint <= alone + 1e-9).all()
    if kind == "euclid":
        torch.testing.assert_close(each, alone / 2)
    else:
        assert isinstance(space, Angular)
        turned = space.turn(a, each) + space.turn(b, each)
        wanted = (angle_at(tau) - angle(a, b)).abs()
        torch.testing.assert_close(turned[turned < 3], wanted[turned < 3], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_interval_and_decision_are_each_others_inverse(kind: str) -> None:
    a, b, _ = triples(kind, seed=6)
    a, b = (lift(a), lift(b)) if kind == "lifted" else (a, b)
    space = SPACES[kind]
    for eps in (0.05, 0.4, 0.9):
        low, high = (bound for bound in space.interval(a, b, eps))
        for bound, inner in ((low, low > 0), (high, high < 1.999)):
            radius = space.decision_radius(a, b, bound)
            if kind == "raw":
                inner = inner & (a.norm(dim=1) > eps)
            torch.testing.assert_close(radius[inner], torch.full_like(radius[inner], eps), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_exact_is_at_least_simple_and_all_is_at_most_the_reference_alone(kind: str) -> None:
    posed = answer(kind, *triples(kind, n=40, k=6, seed=7))
    alone = separate(kind, posed, (0.0, 0.0))
    gained = False
    for budgets in BUDGETS:
        exact, simple = (separate(kind, posed, budgets, e) for e in (True, False))
        assert (exact >= simple * (1 - 1e-9)).all()
        assert (exact <= alone * (1 + 1e-9)).all()
        gained |= bool((exact > 1.1 * simple).any())
    exact, simple = (SPACES[kind].shared_radius(posed, e) for e in (True, False))
    assert (exact >= simple * (1 - 1e-9)).all()
    assert (simple > 0).all()
    assert gained


def test_lifted_is_at_least_sphere_and_sphere_at_least_paper() -> None:
    posed = answer("lifted", *triples("lifted", n=60, seed=8))
    lifted = Lifted().signed_radius(posed.reference, posed.far, posed.near)
    sphere = Sphere().signed_radius(posed.reference, posed.far, posed.near)
    u, w = F.normalize(posed.reference, dim=1), F.normalize(posed.near, dim=1) - F.normalize(posed.far, dim=1)
    paper = (u * w).sum(1) / w.norm(dim=1)
    assert (lifted >= sphere).all()
    assert (sphere >= paper).all()
    assert (lifted / paper).median() > 1.1


def test_a_plane_that_the_lift_alone_decides_is_never_crossed() -> None:
    """Anchors that differ in the coordinate 1 only, after normalising: w has no other part."""
    up = torch.zeros(1, 4, dtype=torch.float64)
    left, right = lift(up), lift(up)
    left[0, -1] = -1
    for g in (lift(up), lift(up + 7)):
        assert Lifted().signed_radius(g, left, right).item() == math.inf
        assert Lifted().signed_radius(g, right, left).item() == -math.inf
        assert Lifted().signed_radius(g, right, right).item() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_slack_leaves_that_margin_everywhere(kind: str) -> None:
    """Inside the radius the margin stays above the slack; it costs little and never pays."""
    x, y, z = triples(kind, n=8, seed=9)
    slack = 0.05
    plain, careful = (separate(kind, answer(kind, x, y, z, s), (0.02, 0.02)) for s in (0.0, slack))
    assert (careful < plain).all()
    shared = SPACES[kind].shared_radius(answer(kind, x, y, z, slack), True)
    draw = generator(1)
    found = [
        _worst_margins(kind, (x, y, z), radius, joint, draw) for radius, joint in ((careful, False), (shared, True))
    ]
    for worst in found:
        assert (worst > slack - 1e-9).all()
    assert torch.cat(found).min() < 3 * slack


def _worst_margins(kind: str, clean: tuple[Tensor, ...], radius: Tensor, joint: bool, draw: torch.Generator) -> Tensor:
    """By projected gradient: the least margins with references inside the radii and anchors inside .02."""
    moved = [v + 1e-3 * torch.randn(v.shape, generator=draw, dtype=torch.float64) for v in clean]
    worst = torch.full_like(radius, math.inf)
    apart = torch.vmap(partial(distance, kind))
    for step in range(200):
        moved = _inside(kind, moved, clean, radius, joint)
        at = [v.requires_grad_() for v in moved]
        margin = apart(at[0], at[2]) - apart(at[0], at[1])
        worst = torch.minimum(worst, margin.detach())
        gradients = torch.autograd.grad(margin.sum(), at)
        rate = (0.3 * 0.98**step * radius)[:, None]
        size = torch.cat(gradients, 1).norm(dim=1, keepdim=True) if joint else None
        moved = [
            (v - rate * g / (g.norm(dim=1, keepdim=True) if size is None else size)).detach()
            for v, g in zip(moved, gradients, strict=True)
        ]
    return worst


def _inside(kind: str, moved: list[Tensor], clean: tuple[Tensor, ...], radius: Tensor, joint: bool) -> list[Tensor]:
    """Shrink the changes until they fit, unit vectors staying unit vectors."""
    limits = [radius, torch.full_like(radius, 0.02), torch.full_like(radius, 0.02)]
    groups = [[0, 1, 2]] if joint else [[0], [1], [2]]
    kept = list(moved)
    for group, limit in zip(groups, limits, strict=False):
        share = torch.ones_like(limit)
        while True:
            for i in group:
                v = clean[i] + share[:, None] * (moved[i] - clean[i])
                kept[i] = F.normalize(v, dim=1) if kind == "sphere" else v
            size = torch.cat([kept[i] - clean[i] for i in group], 1).norm(dim=1)
            if (size <= limit).all():
                break
            share = torch.where(size <= limit, share, share * (limit / size).clamp_max(0.999))
    return kept


@pytest.mark.parametrize("eps", [0.1, 0.6, 1.3])
@pytest.mark.parametrize("kind", ["raw", "lifted", "sphere"])
def test_a_turn_is_the_largest_angle_within_eps_and_reach_its_inverse(kind: str, eps: float) -> None:
    """Short embeddings too: 1.3 takes a lifted one past the foot of its axis, and a raw one anywhere."""
    space = SPACES[kind]
    assert isinstance(space, Angular)
    a = triples(kind, seed=11)[0]
    a = a if kind == "sphere" else a / a.norm(dim=1, keepdim=True) * torch.tensor([[0.5], [0.9], [1.5], [2.0]])
    posed = lift(a) if kind == "lifted" else a
    turned = space.turn(posed, torch.full_like(a[:, 0], eps))
    for i, v in enumerate(a):
        inside = [lambda z, v=v: eps**2 - (z - v).square().sum()]
        on = [lambda z: z.square().sum() - 1] if kind == "sphere" else []
        starts = [v + 0.3 * torch.randn(4, generator=generator(j)).double() for j in range(8)] + [-1e-2 * v]
        found = -least(lambda z, v=v: -distance(kind, z, v), starts, inside, on).value
        assert float(distance_at(turned[i])) == pytest.approx(found, abs=1e-6)
    bounded = turned < math.pi
    assert bounded.sum() >= 2
    reach = space.reach(posed, turned[:, None])[:, 0]
    torch.testing.assert_close(reach[bounded], torch.full_like(reach[bounded], eps))


def test_a_raw_embedding_turns_further_than_a_quarter_through_the_origin() -> None:
    """The angle to b is 170 degrees: to become a copy, a goes through the origin, at the cost of |a|."""
    a = torch.tensor([[0.7, 0.0]], dtype=torch.float64)
    b = torch.tensor([[math.cos(math.radians(170)), math.sin(math.radians(170))]], dtype=torch.float64)
    tau = torch.tensor([0.1], dtype=torch.float64)
    assert Raw().decision_radius(a, b, tau).item() == pytest.approx(0.7)
    assert Raw().interval(a, b, 0.699)[0].item() > 0.1


def test_a_raw_embedding_without_direction_is_never_certified() -> None:
    x, y, z = (torch.randn(1, 4, generator=generator(i)).double() for i in range(3))
    zero = torch.zeros_like(x)
    for posed in (answer("raw", zero, y, z), answer("raw", x, zero, z), answer("raw", x, y, zero)):
        assert separate("raw", posed, (0.0, 0.0)).item() == 0
        assert Raw().shared_radius(posed, True).item() == 0
    tau = torch.tensor([0.3], dtype=torch.float64)
    assert Raw().decision_radius(zero, y, tau).item() == 0
    assert Raw().decision_radius(x, zero, tau).item() == 0
