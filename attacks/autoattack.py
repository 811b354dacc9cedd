"""An AutoAttack that is valid on two classes.

Targeted APGD, targeted FAB and the DLR loss of the original need three or four logits, and a forced choice has two.
The parts here need two. Each part attacks only the samples that no earlier part has broken. All of them use the margin
in place of the cross-entropy (see apgd.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

from perceptbench.attacks.apgd import APGD, L2APGD, LinfAPGD
from perceptbench.attacks.base import Attack, attack
from perceptbench.attacks.fab import FAB, L2FAB, LinfFAB
from perceptbench.attacks.fmn import FMN, L2FMN, LinfFMN
from perceptbench.attacks.square import L2Square, LinfSquare, Square
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Norm


@dataclass(frozen=True)
class AutoAttack:
    """APGD with restarts, then FMN, FAB and Square. The original has no FMN; it finds small flips that the others miss.

    Args:
        full: take the numbers of the original: 5 starts of APGD, FAB 3 x 100, Square 5000.
        starts, steps: of APGD.
        fmn_steps: of FMN; 0 leaves it out.
        fab_starts, fab_steps: of FAB.
        queries: of Square.
    """

    norm: ClassVar[Norm]
    members: ClassVar[tuple[type[APGD], type[FMN], type[FAB], type[Square]]]
    full: bool = False
    starts: int = 3
    steps: int = 100
    fmn_steps: int = 100
    fab_starts: int = 1
    fab_steps: int = 100
    queries: int = 500

    def __post_init__(self) -> None:
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "full"}
        if self.full and any(given[f.name] != f.default for f in fields(self) if f.name != "full"):
            raise UserError("aa(full) has upstream's numbers; give either full or numbers of your own")
        if not min(given["steps"], given["fab_steps"]) or not (
            self.starts or self.fmn_steps or self.fab_starts or self.queries
        ):
            raise UserError(f"aa needs steps, and a part that runs, got {given}")

    def parts(self) -> Sequence[tuple[str, Attack, int]]:
        """(name, attack, starts), in the order in which they run."""
        apgd, fmn, fab, square = self.members
        starts, fab_starts, queries = (5, 3, 5000) if self.full else (self.starts, self.fab_starts, self.queries)
        return (
            ("apgd-ce", apgd(steps=self.steps), starts),
            ("fmn", fmn(steps=self.fmn_steps), 1 if self.fmn_steps else 0),
            ("fab", fab(steps=self.fab_steps), fab_starts),
            ("square", square(queries=queries), 1),
        )


@attack("l2-aa", source="arXiv:2003.01690, for two classes: docs/protocol.md")
@dataclass(frozen=True)
class L2AutoAttack(AutoAttack):
    """APGD (3 x 100), FMN (100), FAB (100) and Square (500) in l2, each on what is not broken yet."""

    norm: ClassVar[Norm] = "l2"
    members: ClassVar[tuple[type[APGD], type[FMN], type[FAB], type[Square]]] = (L2APGD, L2FMN, L2FAB, L2Square)


@attack("linf-aa", source="arXiv:2003.01690, for two classes: docs/protocol.md")
@dataclass(frozen=True)
class LinfAutoAttack(AutoAttack):
    """APGD (3 x 100), FMN (100), FAB (100) and Square (500) in l-infinity, each on what is not broken yet."""

    norm: ClassVar[Norm] = "linf"
    members: ClassVar[tuple[type[APGD], type[FMN], type[FAB], type[Square]]] = (LinfAPGD, LinfFMN, LinfFAB, LinfSquare)
