"""Fit LPIPS to human answers: linear heads that stay at or above zero, on a trunk that stands still or is tuned."""

from collections.abc import Callable, Iterator

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.metrics.features.lpips_net import LPIPSNet
from perceptbench.training.lpips.differences import measure
from perceptbench.training.lpips.lpips_config import LPIPSConfig
from perceptbench.training.lpips.ranking_losses import make_loss
from perceptbench.triplets.base import TripletSource

Step = Callable[[Tensor], Tensor]
"""From the indices of a batch to its loss."""


def fit(net: LPIPSNet, source: TripletSource, config: LPIPSConfig) -> list[float]:
    """Fit `net` in place; the mean loss of every epoch.

    Raises UserError where the loss stops being a number.
    """
    with forked_rng(config.seed):
        loss = make_loss(config.loss, config.margin)
    net.heads.requires_grad_(True)
    if config.tune == "trunk":
        net.trunk.requires_grad_(True)
    step = (_on_pairs if config.tune == "heads" else _on_images)(net, source, loss)
    groups = [{"params": [*net.heads, *loss.parameters()], "lr": config.lr}]
    if config.tune == "trunk":
        groups.append({"params": list(net.trunk.parameters()), "lr": config.trunk_lr})
    optimiser = torch.optim.Adam(groups, betas=(0.5, 0.999))
    decay = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda epoch: min(1.0, 2 * (1 - epoch / config.epochs)))
    generator, curve = torch.Generator().manual_seed(config.seed), []
    for _ in track(range(config.epochs), f"{config.loss} on {config.net}", console=Console(stderr=True)):
        losses = [_take(optimiser, net, step(index)) for index in _batches(len(source), config.batch, generator)]
        curve.append(sum(losses) / len(losses))
        decay.step()
    net.requires_grad_(False)
    return curve


def _take(optimiser: torch.optim.Optimizer, net: LPIPSNet, value: Tensor) -> float:
    if not torch.isfinite(value):
        raise UserError(f"the loss became {value.item()}; try a smaller --lr")
    optimiser.zero_grad(set_to_none=True)
    value.backward()
    optimiser.step()
    # A larger difference must never make two images more alike.
    net.project()
    return value.item()


def _batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    return iter(torch.randperm(n, generator=generator).split(size))


def _on_pairs(net: LPIPSNet, source: TripletSource, loss: nn.Module) -> Step:
    """The trunk stands still, so every image is embedded once."""
    pairs = measure(net, source)

    def step(index: Tensor) -> Tensor:
        batch = pairs.select(index)
        return loss(*batch.distances(torch.cat(list(net.heads))), batch.share)  # type: ignore[no-any-return]

    return step


def _on_images(net: LPIPSNet, source: TripletSource, loss: nn.Module) -> Step:
    """The trunk moves, so images pass through it at every step."""

    def step(index: Tensor) -> Tensor:
        batch = source.batch([source.entries[i] for i in index.tolist()])
        reference, left, right = (net.features(x) for x in (batch.reference, batch.left, batch.right))
        d0, d1 = (net.compare(reference, other) for other in (left, right))
        return loss(d0, d1, batch.right_share)  # type: ignore[no-any-return]

    return step


@torch.no_grad()
def answers(net: LPIPSNet, source: TripletSource) -> tuple[Tensor, Tensor]:
    """d0 and d1 of every triplet, each (n,)."""
    return measure(net, source).distances(torch.cat(list(net.heads)))
