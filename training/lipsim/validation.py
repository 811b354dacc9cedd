"""Triplets of photographs held out, answered by the teacher: what a student is judged by while it learns."""

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from perceptbench.core.stored import Stored
from perceptbench.training.lipsim.data.items import Items
from perceptbench.training.lipsim.data.order_batches import Key, draw_cluster, fill
from perceptbench.training.lipsim.data.views import to_bytes, to_floats


@dataclass(frozen=True, slots=True, eq=False)
class ValidationTriplets:
    """Fixed images, and triplets of them.

    Args:
        images: bytes (n, 3, size, size).
        triplets: rows of `images`, (t, 3): reference, the one the teacher finds less alike, the one more alike.
        weight: by how much its two similarities differ, (t,), above 0.
    """

    images: Tensor
    triplets: Tensor
    weight: Tensor

    def floats(self, rows: slice) -> Tensor:
        """Some of the images as floats in [0, 1]."""
        return to_floats(self.images[rows])


def validation_triplets(held: Items, alike: Stored, most: int = 192, cluster: int = 8) -> ValidationTriplets:
    """All triplets within clusters of items that the teacher finds alike, of `most` images at most.

    The clusters follow from the items alone. Ties of the teacher are left out.

    Args:
        held: what the student never learns from.
        alike: neighbours of every item of `held` among them (neighbours.py).
    """
    generator = Key(0, "validation").generator()
    cluster = min(cluster, most)
    images: list[Image.Image] = []
    triplets, weights = [], []
    seeds = fill([], max(1, min(most, len(held)) // cluster), len(held), generator)
    for i, seed in enumerate(seeds):
        # Every second cluster is half of one photograph: variations of the same thing are what metrics are asked about.
        items = draw_cluster(held, alike, seed, cluster, (cluster // 2 - 1) * (i % 2), generator)
        rows, weight = _ordered(held.similarities(items))
        triplets.append(rows + len(images))
        weights.append(weight)
        images += [held.image(item) for item in items]
    return ValidationTriplets(to_bytes(images), torch.cat(triplets), torch.cat(weights))


def _ordered(similar: Tensor) -> tuple[Tensor, Tensor]:
    """Every triplet (i, j, k) of different items with s_ik > s_ij, (t, 3), and s_ik - s_ij, (t,)."""
    gain = similar[:, None, :] - similar[:, :, None]
    different = ~torch.eye(len(similar), dtype=torch.bool)
    wanted = (gain > 0) & different[:, :, None] & different[:, None, :]
    return wanted.nonzero(), gain[wanted]
