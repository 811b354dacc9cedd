"""What each stage minimises, and how it is judged on photographs held out."""

import torch
from torch import Tensor

from metrics.lipschitz.network import LipSimNet
from training.bank import Bank
from training.batches import draw_batch
from training.config import TrainConfig
from training.loop import Loss
from training.losses import batch_radii, hinge, ordering_loss, ordering_weight, triplet_radii
from training.triplet_pool import TripletPool
from training.views import Views

CERTIFIED_AT = 108 / 255
"""The largest radius of the paper's Table 2, in pixel l2."""


def embed_views(net: LipSimNet, x: Tensor, amp: bool) -> Tensor:
    """Training forward pass: convolutions in bfloat16 if asked for, embeddings in float32."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=amp):
        return net(x).float()


def distil_loss(bank: Bank, teacher: Tensor, neighbours: Tensor, config: TrainConfig) -> Loss:
    """Stage 1: all triplets of a batch, ordered as the teacher orders them."""
    views = Views(config.jitter)

    def loss(net: LipSimNet, generator: torch.Generator) -> Tensor:
        index = draw_batch(neighbours, config.batch, config.cluster, config.clustered, generator)
        flipped = torch.rand(len(index), generator=generator) < 0.5
        x = views(bank.floats(index), flipped, generator)
        target = teacher[index, flipped.long()]
        return ordering_loss(embed_views(net, x, config.amp), target @ target.T, config.distil.radius)

    return loss


def finetune_loss(pools: list[TripletPool], order: Loss, config: TrainConfig) -> Loss:
    """Stage 2: triplets with a known answer, hinge on the unnormalised margin.

    Every other step, drawn by lot, goes on ordering as the teacher does, so that what was
    distilled is not forgotten.
    """

    def loss(net: LipSimNet, generator: torch.Generator) -> Tensor:
        lot = int(torch.randint(2 * len(pools), (), generator=generator))
        if lot >= len(pools):
            return order(net, generator)
        images, sign = pools[lot].draw(config.batch // 3, generator)
        g = embed_views(net, images.flatten(0, 1), config.amp).unflatten(0, images.shape[:2])
        return hinge(sign * triplet_radii(*g), config.finetune.radius).mean()

    return loss


@torch.no_grad()
def validate_order(net: LipSimNet, bank: Bank, index: Tensor, teacher: Tensor, batch: int) -> dict[str, float]:
    """How well the teacher's order is kept on photographs held out, in percent.

    `natural` and, with a proof at 108/255, `certified`: shares of all triplets within batches of
    these photographs, each weighing as in the loss.
    """
    kept = certified = total = 0.0
    for rows in index.split(batch):
        radii = batch_radii(embed_views(net, bank.floats(rows), amp=False))
        weight = ordering_weight(teacher[rows, 0] @ teacher[rows, 0].T)
        kept += (weight * (radii > 0)).sum().item()
        certified += (weight * (radii > CERTIFIED_AT)).sum().item()
        total += weight.sum().item()
    return {"natural": 100 * kept / total, "certified": 100 * certified / total}
