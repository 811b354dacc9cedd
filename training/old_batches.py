"""Stand-in until the data side arrives."""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.bank import Bank
from training.batch import Batch, Share
from training.batches import draw_batch, nearest
from training.config import TrainConfig
from training.triplet_pool import TripletPool
from training.views import Views


def _generator(*key: object) -> torch.Generator:
    from core.noise import _seed

    return torch.Generator().manual_seed(_seed(*key))


@dataclass
class OrderBatches:
    bank: Bank
    teacher: Tensor
    config: TrainConfig
    stage: str
    share: Share

    def __post_init__(self) -> None:
        self.neighbours = nearest(self.teacher[:, 0], self.config.neighbours)
        self.views = Views(self.config.jitter)

    def __getitem__(self, step: int) -> Batch:
        g = _generator(self.config.seed, self.stage, step)
        n = self.config.batch
        index = draw_batch(self.neighbours, n, self.config.cluster, self.config.clustered, g)
        rest = [i for i in torch.randperm(len(self.bank), generator=g).tolist() if i not in set(index.tolist())]
        index = torch.cat([index, torch.tensor(rest[: n - len(index)], dtype=torch.long)])
        flipped = torch.rand(len(index), generator=g) < 0.5
        x = self.views(self.bank.floats(index), flipped, g)
        t = self.teacher[index, flipped.long()]
        return Batch("order", x.chunk(self.share.world)[self.share.rank], t @ t.T)


@dataclass
class TripletBatches:
    pool: TripletPool
    config: TrainConfig
    stage: str
    share: Share

    def __getitem__(self, step: int) -> Batch:
        g = _generator(self.config.seed, self.stage, "triplets", step)
        images, sign = self.pool.draw(self.config.batch // 3, g)
        images = images.chunk(self.share.world, 1)[self.share.rank]
        return Batch("triplets", images.flatten(0, 1), sign.chunk(self.share.world)[self.share.rank])


@dataclass
class Mixed:
    parts: list
    weights: list[float]
    config: TrainConfig
    stage: str

    def __getitem__(self, step: int) -> Batch:
        lot = torch.multinomial(
            torch.tensor(self.weights), 1, generator=_generator(self.config.seed, self.stage, "lot", step)
        )
        return self.parts[int(lot)][step]
