"""Answers known in advance: triplets of chosen exact radius, and metrics whose geometry is known."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.autograd.functional import jvp, vjp

from perceptbench.attacks.base import Attack, Ensemble, attack
from perceptbench.attacks.objectives import FlipPreference
from perceptbench.attacks.running.outcome import Outcome
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.certifiers.base import Certifier, certifier
from perceptbench.core.noise import Noise
from perceptbench.core.spec import Norm, Ref, Scalar
from perceptbench.metrics.base import CosineLipschitzMetric, Metric, SphereLipschitzMetric
from perceptbench.metrics.lipsim.lipsim import FrozenLipSim
from perceptbench.metrics.lipsim.network import freeze, untrained
from perceptbench.metrics.lipsim.shape import LipSimConfig
from perceptbench.metrics.spaces.angular import Angular, Lifted
from perceptbench.metrics.spaces.geometry import lift
from perceptbench.triplets.base import Triplets


def generator(seed: int) -> torch.Generator:
    """Random numbers of this seed alone."""
    return torch.Generator().manual_seed(seed)


def images(n: int, height: int = 8, width: int | None = None, seed: int = 0) -> Tensor:
    """Uniform noise (n, 3, height, width) in [0, 1]."""
    return torch.rand(n, 3, height, height if width is None else width, generator=generator(seed))


def l2_radius(batch: Triplets) -> Tensor:
    """|‖r - b‖² - ‖r - a‖²| / (2 ‖a - b‖): where the perpendicular bisector is, for the pixel-l2 metric."""
    r, a, b = (x.double().flatten(1) for x in (batch.reference, batch.left, batch.right))
    return ((r - b).square().sum(1) - (r - a).square().sum(1)).abs() / (2 * (a - b).norm(dim=1))


def linf_radius(batch: Triplets) -> Tensor:
    """|margin| / ‖w‖_1 of the same linear decision: w = b - a, margin = <r - (a + b) / 2, w>."""
    r, a, b = (x.double().flatten(1) for x in (batch.reference, batch.left, batch.right))
    w = b - a
    return ((r - (a + b) / 2) * w).sum(1).abs() / w.abs().sum(1)


def radius_in(norm: Norm, batch: Triplets) -> Tensor:
    """The exact radius of the pixel-l2 metric in either norm."""
    return l2_radius(batch) if norm == "l2" else linf_radius(batch)


def moved_across(batch: Triplets, factor: float) -> Tensor:
    """The reference, moved towards the bisector by `factor` times its distance, in float64."""
    r, a, b = (x.double() for x in (batch.reference, batch.left, batch.right))
    normal = torch.nn.functional.normalize((b - a).flatten(1), dim=1).view_as(r)
    sign = (1 - 2 * batch.label.double())[:, None, None, None]
    return r + factor * sign * l2_radius(batch)[:, None, None, None] * normal


def triplets(radii: list[float], height: int = 8, width: int | None = None, seed: int = 0) -> Triplets:
    """Triplets around mid-grey with these exact l2 radii under pixel l2; labels alternate.

    The nearest flip has pixels well inside [0, 1], so that clipping forbids nothing.
    """
    n, width = len(radii), height if width is None else width
    draw = generator(seed)
    reference = 0.5 + 0.1 * (torch.rand(n, 3, height, width, generator=draw, dtype=torch.float64) - 0.5)
    normal = torch.randn(n, 3, height, width, generator=draw, dtype=torch.float64)
    normal = normal / normal.flatten(1).norm(dim=1)[:, None, None, None]
    aside = 0.02 * torch.randn(n, 3, height, width, generator=draw, dtype=torch.float64)
    aside = aside - (aside * normal).sum((1, 2, 3), keepdim=True) * normal
    label = torch.arange(n) % 2
    sign = (2 * label - 1).double()[:, None, None, None]
    centre = reference + aside - sign * torch.tensor(radii, dtype=torch.float64)[:, None, None, None] * normal
    left, right = centre - 0.5 * normal, centre + 0.5 * normal
    ids = tuple(f"s{seed}-{i}" for i in range(n))
    return Triplets(reference.float(), left.float(), right.float(), label.float(), label.float(), ids)


def random_triplets(n: int, side: int, seed: int, metric: Metric) -> Triplets:
    """Unlike images, labelled by what the metric itself prefers: every answer is right."""
    reference, left, right = (images(n, side, seed=1000 * seed + i) for i in range(3))
    with torch.no_grad():
        d0, d1 = metric.prepare(left, right).distances(reference)
    label = (d1 < d0).float()
    return Triplets(reference, left, right, label, label, tuple(f"r{seed}-{i}" for i in range(n)))


def subset(batch: Triplets, index: Tensor) -> Triplets:
    """Some triplets of a batch, in this order."""
    return replace(batch.mapped(lambda x: x[index]), ids=tuple(batch.ids[i] for i in index.tolist()))


class ProjectionCosine(CosineLipschitzMetric):
    """Cosine after g(x) = scale * Q^T (x - 1/2) with orthonormal columns: L = scale, attained everywhere."""

    def __init__(self, pixels: int, k: int = 16, scale: float = 1.0, seed: int = 0) -> None:
        square = torch.randn(pixels, k, generator=generator(seed), dtype=torch.float64)
        self.basis = torch.linalg.qr(square).Q
        self.lipschitz = scale

    def embed(self, x: Tensor) -> Tensor:
        return self.lipschitz * (x.flatten(1) - 0.5) @ self.basis.to(x.dtype)

    def double(self) -> "ProjectionCosine":
        return self

    def exact(self, batch: Triplets) -> tuple[Tensor, Tensor]:
        """The exact l2 radius and the unit direction (n, 3, h, w) of the shortest flip, in float64.

        Independent of the project's geometry: the reference is taken to the plane of equal cosines.
        """
        r, a, b = ((x.double().flatten(1) - 0.5) @ self.basis for x in (batch.reference, batch.left, batch.right))
        w = b / b.norm(dim=1, keepdim=True) - a / a.norm(dim=1, keepdim=True)
        w = w / w.norm(dim=1, keepdim=True)
        along = (r * w).sum(1)
        direction = -along.sign()[:, None] * w @ self.basis.T
        return along.abs(), direction.view_as(batch.reference)


def tiny_lipsim(seed: int = 0) -> FrozenLipSim:
    """An untrained LipSim for 32 x 32 images with biases, so that nothing is zero by accident."""
    config = LipSimConfig(size=32, stem=4, depths=(1, 1), inners=(8, 8), linears=1, linear_inner=8)
    net = untrained(config, seed)
    draw = generator(seed)
    with torch.no_grad():
        for p in net.parameters():
            p += 0.1 * torch.randn(p.shape, generator=draw)
    return FrozenLipSim(freeze(net), config.size)


def small_attack(name: str, **chosen: Scalar) -> Attack | Ensemble:
    """An attack as a user names it, with few steps where it has steps."""
    ref = Ref.parse(name)
    # DDN changes its norm by 5 % a step: with few steps it has to begin near the radii in use here.
    small: dict[str, Scalar] = {
        "steps": 40,
        "queries": 300,
        "starts": 2,
        "fab_steps": 40,
        "fmn_steps": 40,
        "init_norm": 0.3,
    }
    known = attack.resolve(ref)
    args = {key: value for key, value in {**small, **chosen}.items() if key in known}
    return attack.build(replace(ref, args=tuple({**args, **dict(ref.args)}.items())))


@dataclass(frozen=True)
class Setting:
    """One attack on one batch under one metric."""

    attack: Attack | Ensemble
    name: str
    metric: Metric
    batch: Triplets

    def objective(self) -> FlipPreference:
        return FlipPreference.make(self.metric, self.batch.left, self.batch.right, self.batch.label)

    def run(self, *budgets: float, seed: int = 0, skip: Tensor | None = None) -> list[Outcome]:
        """Through the runner, outcomes by eps."""
        skip = torch.zeros(len(budgets), len(self.batch.ids), dtype=torch.bool) if skip is None else skip
        noise = Noise.make(seed, self.batch.ids)
        return list(run_attack(self.attack, self.name, self.objective(), self.batch.reference, budgets, skip, noise))


@dataclass(frozen=True)
class Rows:
    """One row each: for attacks with a budget of their own for every sample."""

    broken: list[bool]
    size: list[float]


def run_each(setting: Setting, budgets: Tensor, seed: int = 0) -> Rows:
    """Every sample alone, at a budget of its own."""
    outcomes = [
        replace(setting, batch=subset(setting.batch, torch.tensor([i]))).run(float(eps), seed=seed)[0]
        for i, eps in enumerate(budgets)
    ]
    return Rows([bool(o.broken[0]) for o in outcomes], [float(o.size[0]) for o in outcomes])


class LiftedProjection(ProjectionCosine):
    """The same, lifted: (g, 1)."""

    space: Angular = Lifted()

    def embed(self, x: Tensor) -> Tensor:
        return lift(super().embed(x))

    def exact(self, batch: Triplets) -> tuple[Tensor, Tensor]:
        """For L = 1: to the same plane, which the last coordinate cannot approach."""
        r, a, b = (lift((x.double().flatten(1) - 0.5) @ self.basis) for x in (batch.reference, batch.left, batch.right))
        w = b / b.norm(dim=1, keepdim=True) - a / a.norm(dim=1, keepdim=True)
        free = w[:, :-1]
        along = (r * w).sum(1) / free.norm(dim=1)
        direction = -along.sign()[:, None] * free / free.norm(dim=1, keepdim=True) @ self.basis.T
        return along.abs(), direction.view_as(batch.reference)


class Torus(SphereLipschitzMetric):
    """A unit vector by construction: cosines and sines of k projections, over sqrt(k).

    Every angle moves at speed sqrt(k) in an orthonormal direction, so L = 1.
    """

    def __init__(self, pixels: int, k: int = 4, seed: int = 0) -> None:
        square = torch.randn(pixels, k, generator=generator(seed), dtype=torch.float64)
        self.basis = torch.linalg.qr(square).Q

    def embed(self, x: Tensor) -> Tensor:
        k = self.basis.shape[1]
        phases = (x.flatten(1) - 0.5) @ self.basis.to(x.dtype) * k**0.5
        return torch.cat([phases.cos(), phases.sin()], dim=1) / k**0.5

    def double(self) -> "Torus":
        return self


def small_certifier(name: str) -> Certifier:
    """A registered certifier with few draws, where it draws."""
    small: dict[str, Scalar] = {"n": 200, "n0": 20, "m": 200, "delta": 0.2}
    known = certifier.resolve(Ref(name))
    return certifier.build(Ref(name, args=tuple((key, value) for key, value in small.items() if key in known)))


KINDS = {"start": (0.0, 1.0), "random": (0.5, 1.0), "large": (0.5, 1e3), "tiny": (0.5, 1e-3)}


def disturbed(module: nn.Module, kind: str, seed: int = 0) -> nn.Module:
    """Random parameters of this kind, in float64."""
    spread, factor = KINDS[kind]
    draw = generator(seed)
    module.double()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(factor * (p + spread * torch.randn(p.shape, generator=draw, dtype=torch.float64)))
    return module


def steepest_slope(f, x: Tensor, steps: int = 40) -> float:  # type: ignore[no-untyped-def]
    """The largest singular value of the Jacobian at any of the points x, by power iteration, from below."""
    v = torch.randn(x.shape, generator=generator(7), dtype=x.dtype)
    for _ in range(steps):
        v = v / v.flatten(1).norm(dim=1).view(-1, *[1] * (x.dim() - 1)).clamp_min(1e-300)
        forward = jvp(f, x, v)[1]
        v = vjp(f, x, forward)[1]
    return float(forward.flatten(1).norm(dim=1).max())
