"""Batches for a student to order as its teacher does. All that is drawn follows from seed, stage and step."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.noise import seed_of
from perceptbench.core.stored import Stored
from perceptbench.training.lipsim.data.batch import Batches, Share, TrainingBatch
from perceptbench.training.lipsim.data.items import Items
from perceptbench.training.lipsim.data.views import jittered, to_bytes, to_floats

ALONE = Share()


@dataclass(frozen=True, slots=True)
class Key:
    """What the draws of a stage follow from."""

    seed: int
    stage: str

    def seed_of(self, *parts: object) -> int:
        """A seed for one draw."""
        return seed_of(self.seed, self.stage, *parts)

    def generator(self, *parts: object) -> torch.Generator:
        """A generator for one draw."""
        return torch.Generator().manual_seed(self.seed_of(*parts))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OrderBatches:
    """Batches of `size` different items, all at random or in clusters of items the teacher finds alike.

    Args:
        alike: neighbours (len(items), k) of every item (neighbours.py).
        size: images in a batch, of all processes together.
        cluster: images in each cluster.
        same_photo: of them, other views of the photograph the cluster is drawn around.
        clustered: share of the batches that are made of clusters, so that small differences are learnt too.
        jitter: share of the images the student sees in other colours; the teacher saw all of them plain.

    Raises UserError where a batch cannot be filled or shared equally.
    """

    items: Items
    alike: Stored
    size: int
    cluster: int
    same_photo: int
    clustered: float
    jitter: float
    key: Key
    share: Share = ALONE

    def __post_init__(self) -> None:
        if self.size > len(self.items):
            raise UserError(
                f"expected at least {self.size} images for a batch of as many, got {len(self.items)} "
                f"({len(self.items.photographs)} photographs at {self.items.views.count} views); take a smaller batch"
            )
        own_rows(self.size, self.share)

    def __getitem__(self, step: int) -> TrainingBatch:
        items = self.draw(step)
        rows = own_rows(self.size, self.share)
        images = [
            jittered(self.items.image(items[row]), self.jitter, self.key.seed_of("jitter", step, row)) for row in rows
        ]
        return TrainingBatch("order", to_floats(to_bytes(images)), self.items.similarities(items))

    def draw(self, step: int) -> list[int]:
        """The items of a whole batch."""
        generator = self.key.generator("order", step)
        if torch.rand((), generator=generator) >= self.clustered:
            return fill([], self.size, len(self.items), generator)
        seeds = fill([], -(-self.size // self.cluster), len(self.items), generator)
        clusters = [
            draw_cluster(self.items, self.alike, seed, self.cluster, self.same_photo, generator) for seed in seeds
        ]
        # Clusters may meet: what is then missing is drawn at random.
        drawn = list(dict.fromkeys(item for cluster in clusters for item in cluster))
        return fill(drawn[: self.size], self.size, len(self.items), generator)


@dataclass(frozen=True, slots=True)
class Mixed:
    """Every step one of several kinds of batches, by lot with these weights."""

    parts: Sequence[Batches]
    weights: Sequence[float]
    key: Key

    def __getitem__(self, step: int) -> TrainingBatch:
        weights = torch.tensor(self.weights, dtype=torch.float64)
        lot = torch.multinomial(weights, 1, generator=self.key.generator("lot", step))
        return self.parts[int(lot)][step]


def own_rows(size: int, share: Share) -> range:
    """This process's rows of a batch. Raises UserError where they cannot be shared equally."""
    if size % share.world:
        raise UserError(f"expected a batch that {share.world} processes share equally, got {size}; choose a multiple")
    each = size // share.world
    return range(each * share.rank, each * (share.rank + 1))


def draw_cluster(
    items: Items, alike: Stored, seed: int, size: int, same_photo: int, generator: torch.Generator
) -> list[int]:
    """An item, up to `same_photo` other views of its photograph, and its neighbours: at most `size` different ones."""
    views = items.views.count
    photo = range(seed - seed % views, seed - seed % views + views)
    own = [photo[i] for i in torch.randperm(views, generator=generator).tolist() if photo[i] != seed]
    around: Tensor = torch.from_numpy(alike.array[seed].copy())
    others = around[torch.randperm(len(around), generator=generator)].tolist()
    return list(dict.fromkeys([seed, *own[:same_photo], *others]))[:size]


def fill(drawn: list[int], size: int, n: int, generator: torch.Generator) -> list[int]:
    """`drawn`, and as many other items out of n, at random, as make `size` different ones."""
    chosen = dict.fromkeys(drawn)
    while len(chosen) < size:
        # A permutation of all would cost more than the images of the batch where there are millions.
        chosen |= dict.fromkeys(torch.randint(n, (size,), generator=generator).tolist())
    return list(chosen)[:size]
