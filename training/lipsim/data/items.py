"""What a student learns from: photographs at their fixed views, and what the teacher makes of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from perceptbench.core.stored import Stored
from perceptbench.training.hold_out import split_by_name
from perceptbench.training.lipsim.data.photographs import Photographs
from perceptbench.training.lipsim.data.views import FixedViews


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """Item i is view i % K of photograph i // K.

    Args:
        photographs: the photographs.
        views: their K views.
        embeddings: of the teacher, a unit vector a view: (m, K, d) in float16, m >= len(photographs).
        rows: where each photograph stands in `embeddings`.
    """

    photographs: Photographs
    views: FixedViews
    embeddings: Stored
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.photographs) * self.views.count

    def image(self, item: int) -> Image.Image:
        """RGB, as the teacher saw it."""
        photo, view = divmod(item, self.views.count)
        return self.views(self.photographs.photo(photo), self.photographs.names[photo], view)

    def unit(self, items: Sequence[int] | np.ndarray) -> Tensor:
        """The teacher's embeddings of some items, (n, d) in float32, each of length 1."""
        photos, views = np.divmod(np.asarray(items), self.views.count)
        found = self.embeddings.array[self.rows[photos], views]
        return F.normalize(torch.from_numpy(np.asarray(found, dtype=np.float32)), dim=1)

    def similarities(self, items: Sequence[int]) -> Tensor:
        """Cosines of the teacher's embeddings, (n, n)."""
        unit = self.unit(items)
        return unit @ unit.T

    def split(self, every: int) -> tuple["Items", "Items"]:
        """What to learn from, and about one photograph in `every` held out with all its views.

        Raises UserError where a part has too few photographs (`split_by_name`).
        """
        learn, held = split_by_name(self.photographs.names, every)
        return self.select(learn), self.select(held)

    def select(self, photos: np.ndarray) -> "Items":
        """Some of the photographs, at all their views."""
        return Items(self.photographs.select(photos.tolist()), self.views, self.embeddings, self.rows[photos])


def all_items(photographs: Photographs, views: FixedViews, embeddings: Stored) -> Items:
    """Every photograph at every view."""
    return Items(photographs, views, embeddings, np.arange(len(photographs)))
