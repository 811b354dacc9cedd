"""An AutoAttack that is valid on two classes.

Upstream's targeted APGD, targeted FAB and DLR need three or four logits and cannot run on a forced
choice; these parts can, and each runs on what still stands. The margin takes the place of the
cross-entropy in all three (see apgd.py).
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
from perceptbench.core.spec import Norm


@dataclass(frozen=True)
class AutoAttack:
    """APGD with restarts, FMN, FAB, Square. FMN is not among upstream's: it finds small flips that they leave.

    `full` takes upstream's numbers: 5 starts, FAB 3 x 100, Square 5000. Others may be given: starts and
    steps of APGD, steps of FMN (0 for none), starts and steps of FAB, queries of Square.
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
    """APGD (3 x 100), FMN (100), FAB (100) and Square (500) in l2, each on what still stands."""

    norm: ClassVar[Norm] = "l2"
    members: ClassVar[tuple[type[APGD], type[FMN], type[FAB], type[Square]]] = (L2APGD, L2FMN, L2FAB, L2Square)


@attack("linf-aa", source="arXiv:2003.01690, for two classes: docs/protocol.md")
@dataclass(frozen=True)
class LinfAutoAttack(AutoAttack):
    """APGD (3 x 100), FMN (100), FAB (100) and Square (500) in l-infinity, each on what still stands."""

    norm: ClassVar[Norm] = "linf"
    members: ClassVar[tuple[type[APGD], type[FMN], type[FAB], type[Square]]] = (LinfAPGD, LinfFMN, LinfFAB, LinfSquare)
