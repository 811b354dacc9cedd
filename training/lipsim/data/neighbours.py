"""Which photographs a teacher finds alike."""

import hashlib

import torch
from filelock import FileLock
from rich.console import Console
from rich.progress import track
from torch import Tensor

from perceptbench.core.stored import Stored, store
from perceptbench.training.lipsim.data.items import Items

_QUERIES, _CANDIDATES = 4096, 8192
"""Items a block: together they bound the memory, whatever the number of items."""


def neighbours(items: Items, k: int, device: str = "cpu") -> Stored:
    """Of every item the k photographs most alike by the teacher, each at its most similar view: (n, k) items.

    Nearest first. Another view of the same photograph may be among them, as one of the k; the item itself is not.
    Where there are fewer photographs, k is their number. From the cache beside the embeddings, or computed: n^2 d
    multiplications, in memory that does not grow with n.
    """
    k = min(k, len(items.photographs) - (items.views.count == 1))
    chosen = hashlib.sha256(items.rows.tobytes()).hexdigest()[:16]
    kept = Stored(items.embeddings.path.with_name(f"neighbours-{k}-{chosen}.npy"))
    with FileLock(kept.path.with_name(".lock")):
        if not kept.path.is_file():
            rows = [_of_block(items, block, k, device) for block in track(
                _blocks(len(items), _QUERIES), "neighbours", console=Console(stderr=True)
            )]  # fmt: skip
            store(kept.path, torch.cat(rows).to(torch.int32).numpy())
    return kept


def _blocks(n: int, size: int) -> list[range]:
    return [range(i, min(i + size, n)) for i in range(0, n, size)]


def _of_block(items: Items, queries: range, k: int, device: str) -> Tensor:
    """Neighbours (q, k) of some items: the best of one block of candidates after the other."""
    unit, views = items.unit(queries).to(device), items.views.count
    similar = torch.full((len(queries), k), -torch.inf, device=device)
    index = torch.zeros((len(queries), k), dtype=torch.int64, device=device)
    for block in _blocks(len(items.photographs), max(1, _CANDIDATES // views)):
        candidates = range(block.start * views, block.stop * views)
        cosine = unit @ items.unit(candidates).to(device).T
        own = torch.arange(queries.start, queries.stop, device=device) - candidates.start
        inside = ((own >= 0) & (own < len(candidates))).nonzero()[:, 0]
        cosine[inside, own[inside]] = -torch.inf
        # One view a photograph, or the views of a few would be all the neighbours there are.
        best, view = cosine.unflatten(1, (-1, views)).max(2)
        found = candidates.start + torch.arange(len(block), device=device) * views + view
        similar, order = torch.cat([similar, best], 1).topk(k)
        index = torch.cat([index, found], 1).gather(1, order)
    return index.cpu()
