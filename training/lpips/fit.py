"""Fit LPIPS to human answers: linear heads that stay at or above zero, on a trunk that stands still or is tuned."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.metrics.features.lpips_net import LPIPSNet
from perceptbench.training.lpips.pairs import measure
from perceptbench.training.lpips.ranking_losses import Loss, make_loss
from perceptbench.triplets.base import TripletSource

Tune = Literal["heads", "trunk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LPIPSConfig:
    """Everything that decides the weights, but for the data.

    Args:
        net: the trunk: alex, vgg or squeeze.
        tune: what is fitted: the heads alone, or the trunk with them.
        loss: 2afc, ranking or regression.
        margin: of the ranking loss, in units of the distance.
        epochs: the learning rate is constant for the first half, then falls to zero in a straight line.
        trunk_lr: learning rate of the trunk, where it is tuned.
        hold_out: share of the images that training never sees.
    """

    net: str = "alex"
    tune: Tune = "heads"
    loss: Loss = "2afc"
    margin: float = 0.05
    epochs: int = 10
    batch: int = 50
    lr: float = 1e-4
    trunk_lr: float = 1e-5
    hold_out: float = 0.2
    seed: int = 0

    def checked(self) -> "LPIPSConfig":
        """Raises UserError for numbers that fit nothing."""
        if min(self.epochs, self.batch, self.lr, self.trunk_lr) <= 0 or self.margin < 0:
            raise UserError(f"expected epochs, batch and learning rates above 0 and a margin of at least 0, got {self}")
        return self


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
