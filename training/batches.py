"""Which images stand together in a batch: at random, or clusters the teacher finds alike."""

import torch
import torch.nn.functional as F
from torch import Tensor

_CHUNK = 1024


def nearest(teacher: Tensor, k: int) -> Tensor:
    """Indices (n, k) of the k images most alike by the teacher's embeddings (n, d), self left out."""
    unit = F.normalize(teacher, dim=1)
    k = min(k, len(unit) - 1)
    rows = []
    for start in range(0, len(unit), _CHUNK):
        similarity = unit[start : start + _CHUNK] @ unit.T
        own = torch.arange(len(similarity))
        similarity[own, own + start] = -torch.inf
        rows.append(similarity.topk(k).indices)
    return torch.cat(rows)


def draw_batch(neighbours: Tensor, size: int, cluster: int, clustered: float, generator: torch.Generator) -> Tensor:
    """Indices of one batch: with probability `clustered` made of clusters of `cluster` images."""
    n = len(neighbours)
    if torch.rand((), generator=generator) >= clustered:
        return torch.randperm(n, generator=generator)[:size]
    seeds = torch.randperm(n, generator=generator)[: -(-size // cluster)]
    mates = []
    for seed in seeds.tolist():
        pick = torch.randperm(neighbours.shape[1], generator=generator)[: cluster - 1]
        mates.append(torch.cat([torch.tensor([seed]), neighbours[seed, pick]]))
    return torch.cat(mates).unique()[:size]
