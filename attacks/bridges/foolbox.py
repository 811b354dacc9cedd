"""Attacks of the package foolbox, run by its own code: `foolbox:L2PGD`, `foolbox:DDNAttack`."""

from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any, ClassVar

from torch import Tensor, nn

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.bridges.upstream import at_least_one, checked_norm, refuse_unknown, run_each
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images

_LINF = ["FGSM", "LInfFMNAttack", "LinfAdamPGD", "LinfBasicIterativeAttack", "LinfDeepFoolAttack", "LinfPGD", "MIFGSM"]
_L2 = [
    "BoundaryAttack", "DDNAttack", "FGM", "L2AdamPGD", "L2BasicIterativeAttack", "L2CarliniWagnerAttack",
    "L2DeepFoolAttack", "L2PGD",
]  # fmt: skip
_EITHER = ["HopSkipJumpAttack"]
_MINIMAL = (
    "BoundaryAttack", "DDNAttack", "HopSkipJumpAttack", "L2CarliniWagnerAttack", "L2DeepFoolAttack", "LInfFMNAttack",
    "LinfDeepFoolAttack",
)  # fmt: skip
_ANSWERS_ALONE = ("BoundaryAttack", "HopSkipJumpAttack")

_NORM = "it bounds the number or the sum of changed pixels, and budgets here are l2 or linf"
_NOISE = "it adds noise and looks for nothing"
_PICTURE = "it blurs, turns or fades the whole image, and budgets here are l2 or linf"
_REFUSED = {
    **dict.fromkeys(("EADAttack", "L0FMNAttack", "L1FMNAttack", "L1PGD", "PointwiseAttack"), _NORM),
    **dict.fromkeys(("L0BrendelBethgeAttack", "L1BrendelBethgeAttack", "SparseL1DescentAttack"), _NORM),
    **dict.fromkeys(("SaltAndPepperNoiseAttack", "L2AdditiveGaussianNoiseAttack"), _NOISE),
    **dict.fromkeys(("GaussianBlurAttack", "SpatialAttack", "InversionAttack", "L2ContrastReductionAttack"), _PICTURE),
    **dict.fromkeys(
        ("L2BrendelBethgeAttack", "LinfinityBrendelBethgeAttack"), "it needs numba, which foolbox does not bring"
    ),
    "DatasetAttack": "it takes other images of a data set as they are",
    "L2FMNAttack": "in version 3.3.4 it stops at five times the smallest flip of a linear answer; use l2-fmn",
    "GenAttack": "it aims at one class of several, and a forced choice has two",
    "VirtualAdversarialAttack": "it moves away from the own answer of the model, to either side",
    "NewtonFoolAttack": "its step is made for the probability of one class among many",
}  # fmt: skip


@dataclass(frozen=True)
class FoolboxAttack(Attack):
    """One class of foolbox with its defaults, except for the arguments given here.

    The step size is 2.5 eps / steps where the class takes one relative to eps. Upstream's floors are absolute: what it
    finds depends on the unit of the distance.
    """

    flips_only: ClassVar[bool] = True
    kind: str
    norm: Norm  # type: ignore[misc]
    steps: int

    @property
    def minimal(self) -> bool:  # type: ignore[override]
        """A class that takes no eps looks for the smallest flip."""
        return self.kind in _MINIMAL

    @property
    def needs_gradient(self) -> bool:  # type: ignore[override]
        """Those that see answers alone do not."""
        return self.kind not in _ANSWERS_ALONE

    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        def upstream(model: nn.Module, image: Images, label: Tensor, seed: int) -> Tensor:
            library: Any = import_module("foolbox")
            made = self._made(library)
            shown = library.PyTorchModel(model.eval(), bounds=(0, 1), device=image.device)
            budget = None if self.minimal else eps
            try:
                _, clipped, _ = made(shown, image, library.criteria.Misclassification(label), epsilons=budget)
            except ValueError as error:
                # Where none of its random images is a success, upstream has nothing to begin with.
                if "init_attack failed" in str(error):
                    return image
                raise
            found: Tensor = clipped
            return found

        return run_each(f"foolbox:{self.kind}", upstream, objective, x, noise)

    def _made(self, library: Any) -> Any:
        made = getattr(library.attacks, self.kind)
        wanted = {"steps": self.steps, "rel_stepsize": 2.5 / self.steps, "constraint": self.norm}
        return made(**{key: value for key, value in wanted.items() if key in signature(made).parameters})


@attack("foolbox", source="arXiv:1707.04131, package foolbox", licence="MIT", needs=("foolbox",))
def foolbox(kind: str, norm: str = "", steps: int = 100) -> FoolboxAttack:
    """An attack of foolbox, run by upstream's code: foolbox:L2PGD, :DDNAttack, :BoundaryAttack and more.

    Args:
        kind: the class, or the short name that upstream gives it.
        norm: l2 or linf; needed only by HopSkipJumpAttack, which knows both and takes l2.
        steps: where the class has steps.

    Raises UserError for another class or norm, with the reason where a class cannot be used.
    """
    refuse_unknown("class of foolbox", kind, [*_LINF, *_L2, *_EITHER], _REFUSED)
    at_least_one(f"foolbox:{kind}", steps=steps)
    own: Norm = "linf" if kind in _LINF else "l2"
    chosen = checked_norm(norm or own, f"foolbox:{kind}")
    if kind not in _EITHER and chosen != own:
        raise UserError(f"foolbox:{kind} is an attack in {own}, got norm={norm}; leave norm out")
    return FoolboxAttack(kind, chosen, steps)
