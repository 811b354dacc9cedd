"""A running average of the weights, which is judged and written in their place."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(net: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average that starts at `net`.

    After n updates the decay is at most (1 + n) / (10 + n): else a short run would be judged by its
    random start.
    """

    @torch.no_grad()
    def mix(average: Tensor, current: Tensor, n: Tensor | int) -> Tensor:
        n = torch.as_tensor(n, dtype=average.dtype, device=average.device)
        return torch.lerp(current, average, ((1 + n) / (10 + n)).clamp_max(decay))

    average = AveragedModel(net, avg_fn=mix)
    # The first update would copy the weights of the step after: the average starts where the net does.
    average.n_averaged += 1
    return average
