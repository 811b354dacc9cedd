"""AutoAttack in the code of its authors, through the package pyautoattack (arXiv:2003.01690).

`autoattack:apgd-ce`, `autoattack:fab`, `autoattack:square` are the parts that are valid on two classes. They are here
for comparison; `l2-aa` and `linf-aa` do the same in batches.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar

from torch import Tensor, nn

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.bridges.upstream import at_least_one, checked_norm, refuse_unknown, run_each
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images

_PARTS = ["apgd-ce", "fab", "square"]
_REFUSED = {
    "apgd-dlr": "its loss divides by the third largest logit, and a forced choice has two",
    "apgd-t": "it aims at each wrong class with a loss of four logits, and a forced choice has two",
    "fab-t": "it aims at the third and later classes, and a forced choice has two",
}


@dataclass(frozen=True)
class UpstreamAutoAttack(Attack):
    """One part of AutoAttack with the settings of its version 'standard', except for the arguments given here.

    Square spreads its schedule of window sizes over the number of queries. Upstream's floors are absolute: what it
    finds depends on the unit of the distance.
    """

    flips_only: ClassVar[bool] = True
    part: str
    norm: Norm  # type: ignore[misc]
    steps: int
    queries: int

    @property
    def needs_gradient(self) -> bool:  # type: ignore[override]
        """Square asks for distances alone."""
        return self.part != "square"

    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        def upstream(model: nn.Module, image: Images, label: Tensor, seed: int) -> Tensor:
            return self._made(model, eps, seed).perturb(image, label)  # type: ignore[attr-defined, no-any-return]

        return run_each(f"autoattack:{self.part}", upstream, objective, x, noise)

    def _made(self, model: nn.Module, eps: float, seed: int) -> object:
        common = {"norm": {"l2": "L2", "linf": "Linf"}[self.norm], "eps": eps, "seed": seed, "n_restarts": 1}
        if self.part == "apgd-ce":
            made = import_module("pyautoattack.autopgd_base").APGDAttack
            return made(model, n_iter=self.steps, loss="ce", **common)
        if self.part == "fab":
            made = import_module("pyautoattack.fab_pt").FABAttack_PT
            return made(model, n_iter=self.steps, targeted=False, **common)
        made = import_module("pyautoattack.square").SquareAttack
        return made(model, n_queries=self.queries, resc_schedule=True, **common)


@attack("autoattack", source="arXiv:2003.01690, package pyautoattack", licence="MIT", needs=("pyautoattack",))
def autoattack(part: str, norm: str = "l2", steps: int = 100, queries: int = 500) -> UpstreamAutoAttack:
    """A part of AutoAttack, run by upstream's code: autoattack:apgd-ce, :fab or :square.

    Args:
        part: the name upstream gives it.
        norm: l2 or linf.
        steps: of APGD and FAB.
        queries: of Square.

    Raises UserError for another part or norm, with the reason where a part needs three classes.
    """
    refuse_unknown("part of autoattack", part, _PARTS, _REFUSED)
    at_least_one("autoattack", steps=steps, queries=queries)
    return UpstreamAutoAttack(part, checked_norm(norm, f"autoattack:{part}"), steps, queries)
