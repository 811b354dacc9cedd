"""The three spaces of a cosine distance: raw, lifted, and the unit sphere (docs/certificates.md)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.tensors import Embeddings, PerImage
from perceptbench.metrics.spaces import cones
from perceptbench.metrics.spaces.geometry import angle, angle_at, distance_at, signed_radius
from perceptbench.metrics.spaces.quadrics import clearance
from perceptbench.metrics.spaces.space import Answer, Space

_HALVINGS = 44
"""Of a search for a radius."""
_CELLS = 2048
"""Cells of the search over t. The shared radius is a few parts in ten thousand below the exact one for it."""


def cosine_boundary(left: Embeddings, right: Embeddings) -> tuple[Embeddings, PerImage]:
    """Normal w = u(right) - u(left) and offset 0 of the plane where both cosines agree.

    An anchor at the origin has no direction and its distance is 1/2 to everything: there is no such
    plane, the normal is zero, and with it the radius.
    """
    normal = F.normalize(right, dim=1) - F.normalize(left, dim=1)
    directed = (left.norm(dim=1) > 0) & (right.norm(dim=1) > 0)
    normal = normal * directed[:, None]
    return normal, normal.new_zeros(len(normal))


def lifted_boundary(left: Embeddings, right: Embeddings) -> tuple[Embeddings, PerImage]:
    """The same plane for lifted embeddings (n, d + 1), whose last coordinate stays 1.

    That coordinate of w cannot be used by an attacker: it moves from the normal to the offset.
    """
    w, _ = cosine_boundary(left, right)
    return torch.cat([w[:, :-1], torch.zeros_like(w[:, :1])], dim=1), -w[:, -1]


def cosine_paper_radius(g: Embeddings, left: Embeddings, right: Embeddings) -> PerImage:
    """<u, w> / |w|: Theorem 1 of the paper, which divides the margin by |g|."""
    return signed_radius(F.normalize(g, dim=1), *cosine_boundary(left, right), 1.0)


class Angular(Space):
    """A cosine distance. Subclasses say how far an embedding turns, and what turning costs."""

    bounds = (0.0, 2.0)
    fixed = 0

    #: Whether g / |g| is as Lipschitz as g, which the paper and Tsuzuku assume.
    unit_is_lipschitz: bool = True

    def turn(self, a: Embeddings, eps: PerImage) -> PerImage:
        """alpha: the largest angle by which a turns within eps."""
        raise NotImplementedError

    def reach(self, a: Embeddings, turned: Tensor) -> Tensor:
        """The inverse: the least eps that turns a by these angles (n, m)."""
        raise NotImplementedError

    def leave(self, answer: Answer, t: Tensor) -> Tensor:
        """The least eps that takes the reference out of the safe cone, for t (n, m)."""
        raise NotImplementedError

    def turning_cost(self, near: Embeddings, far: Embeddings, t: Tensor) -> Tensor:
        """The least joint l2 cost of turning both anchors by 2 t in all, for t (n, m); rises with t."""
        raise NotImplementedError

    def interval(self, a: Embeddings, b: Embeddings, eps: float) -> tuple[PerImage, PerImage]:
        """The angle to b changes by at most alpha. A zero vector is 1/2 away from every other one."""
        theta, turn = angle(a, b), self.turn(a, torch.full_like(a[:, 0], eps))
        low, high = distance_at((theta - turn).clamp_min(0)), distance_at((theta + turn).clamp(max=math.pi))
        directed = b.norm(dim=1) > 0
        return torch.where(directed, low, 0.0), torch.where(directed, high, 0.5)

    def decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        """The cost of turning from the present angle to the angle of tau; 0 for zero vectors."""
        return torch.where(_directed(a, b), self.reach(a, _turn_to(tau, a, b)[:, None])[:, 0], 0.0)

    def joint_decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        """The cost of turning both by that angle in all."""
        return torch.where(_directed(a, b), self.turning_cost(a, b, _turn_to(tau, a, b)[:, None] / 2)[:, 0], 0.0)

    def each_decision_radius(self, a: Embeddings, b: Embeddings, tau: PerImage) -> PerImage:
        """The least e at which both angles together, `turn` of each, come to that angle; found from below."""
        needed = _turn_to(tau, a, b)
        low = torch.zeros_like(needed)
        high = self.reach(a, needed[:, None])[:, 0].clamp(max=a.norm(dim=1) + b.norm(dim=1))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            safe = self.turn(a, middle) + self.turn(b, middle) < needed
            low, high = torch.where(safe, middle, low), torch.where(safe, high, middle)
        return torch.where(_directed(a, b), low, 0.0)

    def separate_radius(self, answer: Answer, eps_near: PerImage, eps_far: PerImage, exact: bool) -> PerImage:
        t = (self.turn(answer.near, eps_near) + self.turn(answer.far, eps_far)) / 2
        return self._alone(answer, t[:, None], exact)[:, 0]

    def shared_radius(self, answer: Answer, exact: bool) -> PerImage:
        """min over t of sqrt(R(t)^2 + E(t)^2), from below: R falls and E rises, so each cell takes its far ends.

        From half the gap on the anchors flip the answer by themselves, at E there or more.
        """
        t = _half_gap(answer).clamp_min(0)[:, None] * torch.linspace(0, 1, _CELLS + 1).to(answer.reference)
        alone = self._alone(answer, t[:, 1:], exact)
        anchors = self.turning_cost(answer.near, answer.far, t)
        together = (alone.square() + anchors[:, :-1].square()).amin(1).sqrt()
        return torch.minimum(together, anchors[:, -1])

    def _alone(self, answer: Answer, t: Tensor, exact: bool) -> Tensor:
        """R(t): how far the reference may move when the anchors turn by 2 t in all."""
        left = angle(answer.near, answer.far)[:, None] / 2 - t
        # d1 - d0 = 2 sin(half the sum of the angles) sin(half their difference), and the half sum is >= left.
        worth = (answer.slack[:, None] / (2 * left.sin()).clamp_min(1e-300)).clamp(max=1).asin()
        t = t + torch.where(left > 0, worth, math.pi / 2)
        if exact:
            return self.leave(answer, t)
        return self.reach(answer.reference, (_half_gap(answer)[:, None] - t).clamp_min(0))


def _turn_to(tau: PerImage, a: Embeddings, b: Embeddings) -> PerImage:
    """By how much the angle between a and b differs from that of the distance tau."""
    return (angle_at(tau) - angle(a, b)).abs()


def _directed(a: Embeddings, b: Embeddings) -> Tensor:
    """Whether both have a direction (n,). A zero vector is 1/2 away from every other one."""
    return (a.norm(dim=1) > 0) & (b.norm(dim=1) > 0)


def _half_gap(answer: Answer) -> PerImage:
    return (angle(answer.reference, answer.far) - angle(answer.reference, answer.near)) / 2


def _size(a: Embeddings) -> Tensor:
    return a.norm(dim=1)[:, None]


class Raw(Angular):
    """g itself: |g| may be anything. Every radius is exact but the shared one, a bound by cells, and those of
    `exact=False`."""

    unit_is_lipschitz = False

    def boundary(self, left: Embeddings, right: Embeddings) -> tuple[Embeddings, PerImage]:
        return cosine_boundary(left, right)

    def turn(self, a: Embeddings, eps: PerImage) -> PerImage:
        """asin(eps / |a|), and any angle once eps >= |a|."""
        norm = a.norm(dim=1)
        return torch.where(norm > eps, (eps / norm.clamp_min(1e-30)).clamp(max=1).asin(), math.pi)

    def reach(self, a: Embeddings, turned: Tensor) -> Tensor:
        return _size(a) * turned.clamp(max=math.pi / 2).sin()

    def leave(self, answer: Answer, t: Tensor) -> Tensor:
        return clearance(cones.cone(answer.reference, answer.near, answer.far, t))

    def turning_cost(self, near: Embeddings, far: Embeddings, t: Tensor) -> Tensor:
        return cones.anchor_turning_cost(near.norm(dim=1), far.norm(dim=1), t)


class Lifted(Angular):
    """(g, 1): the last coordinate stays 1. Exact for a moving reference alone, else sound.

    The turn of an anchor is charged as if every direction were the cheapest one.
    """

    fixed = 1

    def boundary(self, left: Embeddings, right: Embeddings) -> tuple[Embeddings, PerImage]:
        return lifted_boundary(left, right)

    def turn(self, a: Embeddings, eps: PerImage) -> PerImage:
        """asin(eps / |(g, 1)|) up to eps = |g|, where the tangent is; from there on straight through g = 0."""
        r = a[:, :-1].norm(dim=1)
        tangent = (eps / a.norm(dim=1)).clamp(max=1).asin()
        return torch.where(eps <= r, tangent, r.atan() + (eps - r).atan())

    def reach(self, a: Embeddings, turned: Tensor) -> Tensor:
        """Infinite from atan(r) + pi/2 on: no image is there."""
        r = _size(a[:, :-1])
        beyond = turned - r.atan()
        through = torch.where(beyond < math.pi / 2, r + beyond.tan(), math.inf)
        return torch.where(beyond <= 0, _size(a) * turned.sin(), through)

    def leave(self, answer: Answer, t: Tensor) -> Tensor:
        fixed = torch.zeros_like(answer.reference)
        fixed[:, -1] = 1
        return clearance(cones.cone(answer.reference, answer.near, answer.far, t, fixed))

    def turning_cost(self, near: Embeddings, far: Embeddings, t: Tensor) -> Tensor:
        """That of raw anchors of the lifted norms: keeping the last coordinate at 1 only costs more."""
        return cones.anchor_turning_cost(near.norm(dim=1), far.norm(dim=1), t)


class Sphere(Angular):
    """g is a unit vector and Lipschitz as such. Every radius is exact but those of `exact=False`."""

    def boundary(self, left: Embeddings, right: Embeddings) -> tuple[Embeddings, PerImage]:
        return cosine_boundary(left, right)

    def signed_radius(self, reference: Embeddings, left: Embeddings, right: Embeddings) -> PerImage:
        """2 sin(asin(m) / 2): the chord of the arc to the plane."""
        m = cosine_paper_radius(reference, left, right)
        return 2 * (m.clamp(-1, 1).asin() / 2).sin()

    def turn(self, a: Embeddings, eps: PerImage) -> PerImage:
        return 2 * (eps / 2).clamp(max=1).asin()

    def reach(self, a: Embeddings, turned: Tensor) -> Tensor:
        return 2 * (turned / 2).sin()

    def leave(self, answer: Answer, t: Tensor) -> Tensor:
        u = F.normalize(answer.reference, dim=1)
        arc = clearance(cones.cone(u, answer.near, answer.far, t)).clamp(max=1).asin()
        return 2 * (arc / 2).sin()

    def turning_cost(self, near: Embeddings, far: Embeddings, t: Tensor) -> Tensor:
        """Each anchor takes half: the sum of two squared chords over 2 t is least at equal arcs."""
        return math.sqrt(8) * (t / 2).sin()
