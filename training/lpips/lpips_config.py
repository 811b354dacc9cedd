"""The arguments of a fit of LPIPS: typed, frozen, and written into its record. No torch.

The fields also state the options of `bench train lpips`.
"""

from dataclasses import dataclass, field
from typing import Self

from perceptbench.core.errors import UserError
from perceptbench.core.number import MOST_SEED
from perceptbench.core.option import option

NETS = ("alex", "vgg", "squeeze")
TUNES = ("heads", "trunk")
LOSSES = ("2afc", "ranking", "regression")


@dataclass(frozen=True, slots=True, kw_only=True)
class LPIPSConfig:
    """Everything that decides the weights, but for the data.

    Args:
        net: the trunk: alex, vgg or squeeze.
        tune: what is fitted: the heads alone, or the trunk with them.
        loss: 2afc, ranking or regression.
        margin: of the ranking loss, in units of the distance.
        epochs: the learning rate is constant for the first half, then falls to zero in a straight line.
        batch: triplets a step.
        lr: learning rate of the heads.
        trunk_lr: learning rate of the trunk, where it is tuned.
        hold_out: share of the images that training never sees.
        seed: of every random number.
    """

    net: str = field(default="alex", metadata=option("Trunk: alex, vgg or squeeze."))
    tune: str = field(default="heads", metadata=option("heads, or trunk: the heads and the network below."))
    loss: str = field(default="2afc", metadata=option("2afc, ranking or regression."))
    margin: float = field(default=0.05, metadata=option("Of the ranking loss, in units of the distance."))
    epochs: int = field(default=10, metadata=option("Passes over the triplets.", max=1_000_000))
    batch: int = field(default=50, metadata=option("Triplets a step.", name="batch-size", max=1_000_000))
    lr: float = field(default=1e-4, metadata=option("Learning rate of the heads."))
    trunk_lr: float = field(default=1e-5, metadata=option("Learning rate of the trunk."))
    hold_out: float = field(default=0.2, metadata=option("Share of the images never seen in training."))
    seed: int = field(default=0, metadata=option("Seed of every random number.", max=MOST_SEED))

    def checked(self) -> Self:
        """Itself. Raises UserError for an unknown name and for numbers that fit nothing."""
        for name, value, known in (("net", self.net, NETS), ("tune", self.tune, TUNES), ("loss", self.loss, LOSSES)):
            if value not in known:
                raise UserError(f"--{name} wants one of {', '.join(known)}, got {value!r}")
        if min(self.epochs, self.batch, self.lr, self.trunk_lr) <= 0 or self.margin < 0:
            raise UserError(f"expected epochs, batch and learning rates above 0 and a margin of at least 0, got {self}")
        return self
