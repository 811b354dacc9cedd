"""What a step of training computes, and how a network is judged on photographs held out."""

import torch
from torch import Tensor, nn

from perceptbench.training.lipsim.config import TrainConfig
from perceptbench.training.lipsim.data.batch import TrainingBatch
from perceptbench.training.lipsim.loop import Loss
from perceptbench.training.lipsim.losses import loss_of_batch, loss_of_triplets, radii_of
from perceptbench.training.lipsim.processes import Processes
from perceptbench.training.lipsim.validation import ValidationTriplets

CERTIFIED_AT = {"certified": 108 / 255, "certified_1": 1.0, "certified_2": 2.0, "certified_3": 3.0}
"""Radii in pixel l2. The first is the largest of the paper's Table 2, and chooses the weights."""

_CHUNK = 48


def embed_views(net: nn.Module, x: Tensor, precision: str) -> Tensor:
    """Training forward pass: convolutions in bfloat16 if asked for, embeddings in float32."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bf16"):
        return net(x).float()


def step_loss(config: TrainConfig, processes: Processes) -> Loss:
    """Of both kinds of batches; those to be ordered are gathered, so that the loss sees all their triplets."""

    def loss(net: nn.Module, batch: TrainingBatch) -> Tensor:
        g = embed_views(net, batch.images, config.precision)
        if batch.kind == "order":
            return loss_of_batch(config.distil.objective, processes.gathered(g), batch.target)
        reference, left, right = g.chunk(3)
        return loss_of_triplets(config.finetune.objective, reference, left, right, batch.target)

    return loss


@torch.no_grad()
def scores(net: nn.Module, held: ValidationTriplets) -> dict[str, float]:
    """How well the teacher's order is kept on photographs held out, in percent, each triplet by its weight.

    `natural`: the share answered as the teacher does. `certified` and the others: the share so
    answered whatever change of the reference there is within the radius.
    """
    device = next(net.parameters()).device
    starts = range(0, len(held.images), _CHUNK)
    g = torch.cat([net(held.floats(slice(i, i + _CHUNK)).to(device)) for i in starts])
    radii = radii_of(g, held.triplets.to(device)).cpu()
    weight = held.weight / held.weight.sum()
    found = {name: weight[radii > radius].sum().item() for name, radius in {"natural": 0.0, **CERTIFIED_AT}.items()}
    return {name: 100 * share for name, share in found.items()}
