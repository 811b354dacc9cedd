"""Attacks of the package torchattacks, run by its own code: `torchattacks:PGDL2`, `torchattacks:APGD`."""

from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import ClassVar

from torch import Tensor, nn

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.bridges.upstream import at_least_one, checked_norm, refuse_unknown, run_each
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images

_LINF = [
    "BIM", "EOTPGD", "FFGSM", "FGSM", "MIFGSM", "NIFGSM", "PGD", "PIFGSM", "RFGSM", "SINIFGSM", "SPSA", "UPGD",
    "VMIFGSM", "VNIFGSM",
]  # fmt: skip
_L2 = ["CW", "DeepFool", "PGDL2"]
_EITHER = ["APGD", "FAB", "Square"]
_WITHOUT_BUDGET = ("CW", "DeepFool")

_CLASSES = "it needs the logits of three classes or more, and a forced choice has two"
_NORM = "it bounds the number or the sum of changed pixels, and budgets here are l2 or linf"
_TRANSFER = "it blurs or resizes for the sake of an unknown model, and here the model is known"
_WRAPPER = "it wraps other attacks; name the attack itself"
_REFUSED = {
    "APGDT": _CLASSES, "AutoAttack": _CLASSES + "; use l2-aa or autoattack:PART", "JSMA": _CLASSES,
    "EADEN": _NORM, "EADL1": _NORM, "OnePixel": _NORM, "Pixle": _NORM, "SparseFool": _NORM,
    "DIFGSM": _TRANSFER, "TIFGSM": _TRANSFER, "PIFGSMPP": _TRANSFER,
    "MultiAttack": _WRAPPER, "LGV": _WRAPPER,
    "PGDRS": "it attacks the mean answer under noise", "PGDRSL2": "it attacks the mean answer under noise",
    "Jitter": "it divides the logits by their largest, which leaves of two opposite logits only the sign",
    "TPGD": "it moves away from the own answer of the model, to either side",
    "GN": "it adds noise and attacks nothing", "VANILA": "it returns the image unchanged",
}  # fmt: skip


@dataclass(frozen=True)
class TorchAttack(Attack):
    """One class of torchattacks with its defaults, except for the arguments given here.

    The step size is 2.5 eps / steps, or 1.25 eps for an attack of one step, where the class takes a step size.
    Upstream's floors are absolute: what it finds depends on the unit of the distance.
    """

    flips_only: ClassVar[bool] = True
    kind: str
    norm: Norm  # type: ignore[misc]
    steps: int
    queries: int
    c: float

    @property
    def minimal(self) -> bool:  # type: ignore[override]
        """A class that takes no eps looks for the smallest flip."""
        return self.kind in _WITHOUT_BUDGET

    @property
    def needs_gradient(self) -> bool:  # type: ignore[override]
        """Square asks for distances alone."""
        return self.kind != "Square"

    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        def upstream(model: nn.Module, image: Images, label: Tensor, seed: int) -> Tensor:
            made = getattr(import_module("torchattacks"), self.kind)
            wanted = self._arguments(eps, seed, stepwise="steps" in signature(made).parameters)
            taken = {key: value for key, value in wanted.items() if key in signature(made).parameters}
            return made(model, **taken)(image, label)  # type: ignore[no-any-return]

        return run_each(f"torchattacks:{self.kind}", upstream, objective, x, noise)

    def _arguments(self, eps: float, seed: int, *, stepwise: bool) -> dict[str, object]:
        """Every argument, under each name that a class may have for it."""
        return {
            "eps": eps, "max_epsilon": eps, "seed": seed, "n_queries": self.queries, "c": self.c,
            "steps": self.steps, "num_iter_set": self.steps, "nb_iter": self.steps,
            "alpha": 2.5 * eps / self.steps if stepwise else 1.25 * eps,
            "norm": {"l2": "L2", "linf": "Linf"}[self.norm],
        }  # fmt: skip


@attack("torchattacks", source="arXiv:2010.01950, package torchattacks", licence="MIT", needs=("torchattacks",))
def torchattacks(kind: str, norm: str = "", steps: int = 100, queries: int = 500, c: float = 1.0) -> TorchAttack:
    """An attack of torchattacks, run by upstream's code: torchattacks:PGDL2, :PGD, :APGD, :CW and more.

    Args:
        kind: the class.
        norm: l2 or linf; needed only by APGD, FAB and Square, which know both and take l2.
        steps: where the class has steps.
        queries: of Square.
        c: the weight of the flip in CW, beside the squared size.

    Raises UserError for another class or norm, with the reason where a class cannot be used.
    """
    refuse_unknown("class of torchattacks", kind, [*_LINF, *_L2, *_EITHER], _REFUSED)
    at_least_one(f"torchattacks:{kind}", steps=steps, queries=queries)
    return TorchAttack(kind, _norm_of(kind, norm), steps, queries, c)


def _norm_of(kind: str, given: str) -> Norm:
    own: Norm = "linf" if kind in _LINF else "l2"
    chosen = checked_norm(given or own, f"torchattacks:{kind}")
    if kind not in _EITHER and chosen != own:
        raise UserError(f"torchattacks:{kind} is an attack in {own}, got norm={given}; leave norm out")
    return chosen
