"""(b): upstream's AutoAttack, its own code (package pyautoattack), for any model of two logits.

Each part works on what still stands after the parts before it, as upstream's evaluation has it;
inside a part rows leave only where upstream lets them: between restarts, and in Square at success.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from pyautoattack.autopgd_base import APGDAttack
from pyautoattack.fab_pt import FABAttack_PT
from pyautoattack.square import SquareAttack
from torch import Tensor, nn

from benchmarks.machine import wait
from benchmarks.row_finder import RowFinder
from perceptbench.attacks.objectives import FlipPreference
from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.core.tensors import Images, Mask


@dataclass(frozen=True)
class Numbers:
    """Of l2-aa: ours and upstream's run with the same ones."""

    starts: int = 3
    steps: int = 100
    fab_steps: int = 100
    queries: int = 500

    @property
    def ref(self) -> Ref:
        """Our attack with these numbers, and without the part that upstream has not."""
        words = ",".join(f"{name}={value}" for name, value in vars(self).items())
        return Ref.parse(f"l2-aa({words},fmn_steps=0)")

    @property
    def words(self) -> str:
        """For a table."""
        return f"APGD {self.starts} x {self.steps}, FAB {self.fab_steps}, Square {self.queries}"


class Cached(nn.Module):
    """Our objective as two logits; label 1 is `right`. What is fixed was embedded once, scales are frozen."""

    def __init__(self, objective: FlipPreference, rows: RowFinder) -> None:
        super().__init__()
        self.objective, self.rows = objective, rows

    def forward(self, x: Images) -> Tensor:
        some = self.objective.select(self.rows(x))
        # The loss is minus the margin; the sign says on which side the right answer is.
        half = some.sign * some.loss(x) / 2
        return torch.stack((half, -half), dim=1)


@dataclass
class Result:
    """What still stands, and seconds for each part that ran."""

    standing: Mask
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """All parts."""
        return sum(self.parts.values())


def autoattack(model: Any, x: Images, label: Tensor, eps: float, numbers: Numbers, seed: int = 0) -> Result:
    """Run the parts of l2-aa by upstream's code. `model` is a `Literal` or a `Cached`."""
    started = time.perf_counter()
    model.rows.forget()
    with forked_rng(seed), torch.no_grad():
        result = Result(model(x).argmax(1) == label)
        result.parts["clean"] = time.perf_counter() - started
        for name, part in _parts(model, eps, numbers, seed, x.device.type):
            left = result.standing.nonzero().flatten()
            if len(left) == 0:
                break
            started = time.perf_counter()
            model.rows.forget()
            adversarial = part.perturb(x[left], label[left])
            result.standing[left] = model(adversarial).argmax(1) == label[left]
            wait()
            result.parts[name] = time.perf_counter() - started
    return result


def _parts(model: nn.Module, eps: float, numbers: Numbers, seed: int, device: str) -> Iterator[tuple[str, Any]]:
    common = {"norm": "L2", "eps": eps, "seed": seed, "device": device}
    yield "apgd-ce", APGDAttack(model, n_restarts=numbers.starts, n_iter=numbers.steps, loss="ce", **common)
    yield "fab", FABAttack_PT(model, n_restarts=1, n_iter=numbers.fab_steps, **common)
    # The schedule of window sizes is spread over the queries, as ours is.
    yield "square", SquareAttack(model, n_restarts=1, n_queries=numbers.queries, resc_schedule=True, **common)


def apgd_run(model: nn.Module, x: Images, label: Tensor, eps: float, steps: int) -> None:
    """One restart of upstream's APGD-CE, without the clean pass before it."""
    part = APGDAttack(model, n_restarts=1, n_iter=steps, loss="ce", norm="L2", eps=eps, seed=0, device=x.device.type)
    part.init_hyperparam(x)
    with forked_rng(0):
        part.attack_single_run(x, label)
