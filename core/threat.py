"""Which images an attacker may change: the part of a threat that certificates read. No torch here.

The set of changes of an image, which attacks search, is in attacks/threats/.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Norm

Move: TypeAlias = Literal["reference", "left", "right", "all"]
MOVES: tuple[Move, ...] = ("reference", "left", "right", "all")


def lp_unit(norm: str) -> str:
    """What eps counts in an lp ball, as axes and notes of tables say it."""
    name = "l-infinity" if norm == "linf" else norm
    return f"{name} norm over all pixels and channels, images in [0, 1]"


@dataclass(frozen=True, slots=True)
class Threat:
    """Which images of a triplet an attacker may change, and in which norm.

    One image within eps, or all three with one of two kinds of budget. *Shared*: eps bounds the norm of the three
    changes taken together as one vector (in l-infinity: of each change). *Separate*: eps is the budget of the reference
    alone; `eps_left` and `eps_right` are the budgets of the other two at every eps.

    Args:
        quantized: whether every changed image is an 8-bit picture (`--quantize 8bit`), as clean ones then are.

    Raises UserError for budgets that do not fit the images that move.
    """

    move: Move = "reference"
    norm: Norm = "l2"
    eps_left: float | None = None
    eps_right: float | None = None
    quantized: bool = False

    def __post_init__(self) -> None:
        given = [eps for eps in (self.eps_left, self.eps_right) if eps is not None]
        if given and self.move != "all":
            raise UserError(f"--eps-left and --eps-right want --move all, got --move {self.move}")
        if len(given) == 1:
            raise UserError(
                "give both --eps-left and --eps-right, or neither for one budget shared by all three images"
            )

    @property
    def separate(self) -> bool:
        """Whether each of the three images has a budget of its own."""
        return self.eps_left is not None
