"""What a step of training computes, and how it is judged on photographs held out."""

import torch
from torch import Tensor, nn

from training.bank import Bank
from training.batch import Batch
from training.config import TrainConfig
from training.loop import Loss
from training.losses import batch_radii, ordering_weight
from training.processes import Processes

CERTIFIED_AT = 108 / 255
"""The largest radius of the paper's Table 2, in pixel l2."""


def embed_views(net: nn.Module, x: Tensor, precision: str) -> Tensor:
    """Training forward pass: convolutions in bfloat16 if asked for, embeddings in float32."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bf16"):
        return net(x).float()


def step_loss(config: TrainConfig, processes: Processes) -> Loss:
    """Of both kinds of batches; those to be ordered are gathered, so that the loss sees all their triplets."""

    def loss(net: nn.Module, batch: Batch) -> Tensor:
        g = embed_views(net, batch.images, config.precision)
        if batch.kind == "order":
            return config.distil.objective.of_batch(processes.gathered(g), batch.target)
        return config.finetune.objective.of_triplets(*g.chunk(3), batch.target)

    return loss


@torch.no_grad()
def validate_order(net: nn.Module, bank: Bank, index: Tensor, teacher: Tensor, batch: int) -> dict[str, float]:
    """How well the teacher's order is kept on photographs held out, in percent.

    `natural` and, with a proof at 108/255, `certified`: shares of all triplets within batches of
    these photographs, each weighing as in the loss.
    """
    device = next(net.parameters()).device
    kept = certified = total = 0.0
    for rows in index.split(batch):
        radii = batch_radii(embed_views(net, bank.floats(rows).to(device), "fp32"))
        weight = ordering_weight(teacher[rows, 0] @ teacher[rows, 0].T).to(device)
        kept += (weight * (radii > 0)).sum().item()
        certified += (weight * (radii > CERTIFIED_AT)).sum().item()
        total += weight.sum().item()
    return {"natural": 100 * kept / total, "certified": 100 * certified / total}
