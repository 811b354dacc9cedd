"""Our l2-aa over a batch, with what a table wants to know of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.session import clock
from benchmarks.work import Work
from perceptbench.attacks.base import Objective, attack
from perceptbench.attacks.running.judge import Outcome
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.core.ref import Ref


@dataclass(frozen=True)
class Ours:
    """`standing` at the largest eps."""

    seconds: float
    standing: Tensor
    forwards: Tensor
    backwards: Tensor


def run(
    work: Work, ref: Ref, budgets: Sequence[float], skip: Tensor | None = None, objective: Objective | None = None
) -> Ours:
    """Attack a batch.

    Args:
        skip: (budgets, n); who is not attacked.
        objective: in place of the work's own, to time it.
    """
    x = work.batch.reference
    outcomes: list[Outcome] = []
    if skip is None:
        skip = torch.zeros(len(budgets), len(x), dtype=torch.bool, device=x.device)

    def attacked() -> None:
        goal = objective or work.objective
        outcomes.extend(run_attack(attack.build(ref), ref.name, goal, x, budgets, skip, work.noise))

    seconds = clock(attacked)
    last = outcomes[-1]
    return Ours(seconds, ~last.broken, last.forwards, last.backwards)
