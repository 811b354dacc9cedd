"""Parameters of networks for tests of Lipschitz bounds, and the slope that such a network really has."""

import torch
from torch import Tensor, nn
from torch.autograd.functional import jvp, vjp

from perceptbench.testing.samples import generator

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
