"""The smallest flip, searched for by a general optimiser that knows nothing of the project's geometry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from perceptbench.testing.samples import generator

Constraint = Callable[[Tensor], Tensor]


def distance(kind: str, a: Tensor, b: Tensor) -> Tensor:
    """Of two vectors: Euclidean, or the cosine distance of them, or of them with a 1 behind."""
    if kind == "euclid":
        return (a - b).norm()
    if kind == "lifted":
        a, b = (torch.cat([v, torch.ones(1, dtype=v.dtype)]) for v in (a, b))
    return 1 - a @ b / (a.norm() * b.norm())


def _with_gradient(f: Constraint) -> tuple[Callable[[np.ndarray], float], Callable[[np.ndarray], np.ndarray]]:
    def value(v: np.ndarray) -> float:
        return float(f(torch.from_numpy(v)))

    def gradient(v: np.ndarray) -> np.ndarray:
        at = torch.from_numpy(v).requires_grad_()
        return torch.autograd.grad(f(at), at)[0].numpy()

    return value, gradient


@dataclass(frozen=True)
class Least:
    """A minimum and where it is."""

    value: float
    at: Tensor


def least(cost: Constraint, starts: Sequence[Tensor], inside: Sequence[Constraint], on: Sequence[Constraint]) -> Least:
    """min cost(v) with every `inside` >= 0 and every `on` = 0, over several starts."""
    found = []
    fun, jac = _with_gradient(cost)
    constraints = [
        {"type": kind, "fun": f, "jac": g}
        for kind, fs in (("ineq", inside), ("eq", on))
        for f, g in map(_with_gradient, fs)
    ]
    for start in starts:
        done = minimize(
            fun,
            start.numpy(),
            jac=jac,
            constraints=constraints,
            method="SLSQP",
            options={"ftol": 1e-16, "maxiter": 500},
        )  # fmt: skip
        v = torch.from_numpy(done.x)
        if all(f(v) > -1e-9 for f in inside) and all(f(v).abs() < 1e-9 for f in on):
            found.append(Least(done.fun, v))
    assert found, "no start led to a feasible point"
    return min(found, key=lambda one: one.value)


def least_flip(
    kind: str, reference: Tensor, near: Tensor, far: Tensor, budgets: tuple[float, float] | None, starts: int = 8
) -> float:
    """The least change of the reference with anchors inside their budgets, or of all three as one vector.

    `budgets` None is for the latter, (0, 0) lets the reference alone move. On the sphere (`sphere`) what
    moves stays a unit vector.
    """
    k = len(reference)
    alone = budgets == (0.0, 0.0)
    clean = reference if alone else torch.cat([reference, near, far])

    def parts(v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return (v, near, far) if alone else (v[:k], v[k : 2 * k], v[2 * k :])

    def flipped(v: Tensor) -> Tensor:
        x, y, z = parts(v)
        return distance(kind, x, y) - distance(kind, x, z)

    inside, on = [flipped], []
    if budgets is not None and not alone:
        inside += [
            lambda v, i=i, eps=eps: eps**2 - (parts(v)[i] - parts(clean)[i]).square().sum()
            for i, eps in ((1, budgets[0]), (2, budgets[1]))
        ]
    if kind == "sphere":
        on = [lambda v, i=i: parts(v)[i].square().sum() - 1 for i in range(1 if alone else 3)]

    def cost(v: Tensor) -> Tensor:
        return ((v - clean) if budgets is None else (parts(v)[0] - reference)).square().sum()

    draw = generator(3)
    noise = [0.05 * torch.randn(len(clean), generator=draw, dtype=torch.float64) for _ in range(starts)]
    towards = torch.cat([far - near, torch.zeros(len(clean) - k, dtype=torch.float64)])
    return least(cost, [clean + 0.2 * towards + e for e in noise], inside, on).value ** 0.5
