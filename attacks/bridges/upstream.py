"""What the bridges to attack libraries share: the upstream code does the work, on our objective.

These libraries attack classifiers. So an objective becomes two logits with the label 0. Their difference z0 - z1 is the
margin, and the cross-entropy that upstream raises is that of two classes.
"""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from perceptbench.attacks.base import Objective
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, PerImage

Upstream = Callable[[nn.Module, Images, Tensor, int], Tensor]
"""From (model, image (1, 3, h, w), label (1,), seed) to the attacked image."""


class _Loss(torch.autograd.Function):
    """The objective at one image, through its own `gradient`, which counts and checks passes."""

    @staticmethod
    def forward(ctx: Any, x: Images, objective: Objective) -> PerImage:
        if not ctx.needs_input_grad[0]:
            return objective.value(x)
        loss, gradient = objective.gradient(x)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *upper: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return upper[0][:, None, None, None] * gradient, None


class _NotFinite(Exception):
    """Upstream gave an image with NaN or infinity, as after a division by a gradient of zero."""


class TwoLogits(nn.Module):
    """A classifier (n, 3, h, w) -> (n, 2) that answers 0 until the objective of its one image is reached."""

    def __init__(self, objective: Objective, device: torch.device) -> None:
        super().__init__()
        self.objective = objective
        # Upstream looks here for the device.
        self.where = nn.Parameter(torch.empty(0, device=device), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        if not bool(x.isfinite().all()):
            raise _NotFinite
        # One by one: upstream may repeat the image, and each pass must be counted.
        loss = torch.cat([_Loss.apply(image, self.objective) for image in x.split(1)])
        # A tie counts as success, but argmax would give label 0.
        loss = loss + 1e-30 * (loss == 0)
        return torch.stack((-loss / 2, loss / 2), dim=1)


def run_each(name: str, upstream: Upstream, objective: Objective, x: Images, noise: Noise) -> Images:
    """Upstream's result for every image that has not reached the goal; the unchanged image for the others, and where
    upstream gives NaN or infinity.

    One image at a time: upstream drops rows of a batch without telling the model, and it draws random numbers for the
    whole batch at once.

    Raises UserError for an endless goal, which no classifier can express, and where the upstream code fails.
    """
    if objective.endless:
        raise UserError(f"{name} looks for a flip, and this goal has no end; use an attack such as l2-pgd")
    found = x.clone()
    standing = ~objective.reached(objective.value(x))
    for i in standing.nonzero().flatten().tolist():
        row = torch.tensor([i], device=x.device)
        model = TwoLogits(objective.select(row), x.device)
        label = torch.zeros(1, dtype=torch.long, device=x.device)
        seed = int(torch.randint(2**31 - 1, (1,), generator=noise.generators[i]))
        try:
            with _quiet_and_private(seed):
                found[row] = upstream(model, x[row], label, seed).detach().to(x)
        except _NotFinite:
            continue
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{name} failed inside the upstream library: {type(error).__name__}: {error}") from error
    return found


@contextmanager
def _quiet_and_private(seed: int) -> Iterator[None]:
    """Hide prints and warnings; seed torch's global generators inside and restore them afterwards."""
    devices = list(range(torch.cuda.device_count()))
    with (
        torch.random.fork_rng(devices=devices),
        redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        # Upstream draws from the global generators, whose former state fork_rng restores.
        torch.manual_seed(seed)
        yield


def checked_norm(norm: str, where: str) -> Norm:
    """The norm a user typed. Raises UserError for another word."""
    if norm == "l2":
        return "l2"
    if norm == "linf":
        return "linf"
    raise UserError(f"{where} wants norm=l2 or norm=linf, got {norm!r}")


def refuse_unknown(kind: str, given: str, known: list[str], refused: dict[str, str]) -> None:
    """Raises UserError for a part that upstream does not have, with a hint, or that cannot be used, with the reason."""
    if given in refused:
        raise UserError(f"{kind} {given!r} cannot be used here: {refused[given]}")
    if given not in known:
        in_small = {name.lower(): name for name in known}
        close = [in_small[name] for name in get_close_matches(given.lower(), in_small, n=3)]
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(known)}"
        raise UserError(f"unknown {kind} {given!r}; {hint}")


def at_least_one(where: str, **numbers: int) -> None:
    """Raises UserError for a number of steps or queries below 1."""
    for name, number in numbers.items():
        if number < 1:
            raise UserError(f"{where} wants {name} of at least 1, got {number}")
