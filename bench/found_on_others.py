"""What an attack finds on other metrics than that of the run (attacks/followed.py), kept for the next run's judge.

The images do not depend on the metric that judges them. A matrix of metrics asks for the same ones once a column, so
those that were found last stay in memory, by what decides them: each is found once in a process.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.followed import FollowsOthers, JoinedGoals
from perceptbench.attacks.guided import Guided
from perceptbench.attacks.running.counted import Tally
from perceptbench.attacks.running.judge import Outcome
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.bench.plan import Plan
from perceptbench.core.noise import Noise
from perceptbench.core.spec import RunSpec, canonical_json
from perceptbench.core.tensors import Images, Mask
from perceptbench.metrics.base import Metric
from perceptbench.tasks.base import Batch, State

_MOST_BYTES = 2**29
_OF_THE_JUDGE = ("metric", "weights", "certifier", "data", "samples", "limit", "skip_certified")
"""What a spec says of the metric that judges and of the data set; the content of each sample stands beside it."""


@dataclass(frozen=True)
class FoundImages:
    """What was found for one sample: an image (k, 3, h, w), its size (k,) and the passes (k, counts) at each eps."""

    images: Tensor
    sizes: Tensor
    spent: Tensor


class _Kept:
    """The last of them, up to some bytes."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, FoundImages] = OrderedDict()

    def get(self, key: str) -> FoundImages | None:
        return self._found.get(key)

    def add(self, key: str, found: FoundImages) -> None:
        self._found[key] = found
        while sum(one.images.nbytes for one in self._found.values()) > _MOST_BYTES and len(self._found) > 1:
            self._found.popitem(last=False)


KEPT = _Kept()


def found_on_others(
    plan: Plan, attack: FollowsOthers, batch: Batch, contents: Sequence[str], state: State, x: Images, skip: Mask,
    noise: Noise,
) -> list[Outcome]:  # fmt: skip
    """The outcome of the attack at each eps, where the metric of the run has judged nothing yet.

    Args:
        contents: what each sample of the batch is (tasks/content.py).
        x: the images that move.
        skip: (n,), samples that are left as they are.
        noise: one source for each sample.
    """
    asked = _what_decides(plan.spec)
    keys = [_key(asked, name, content) for name, content in zip(batch.ids, contents, strict=True)]
    wanted = (~skip).nonzero().flatten().tolist()
    found = {i: one for i in wanted if (one := KEPT.get(keys[i])) is not None}
    if left := [i for i in wanted if i not in found]:
        for i, one in zip(left, _searched(plan, attack, batch, state, x, left, noise), strict=True):
            found[i] = one
            KEPT.add(keys[i], one)
    return [_outcome(at, eps, x, found) for at, eps in enumerate(plan.spec.eps)]


def _searched(
    plan: Plan, attack: FollowsOthers, batch: Batch, state: State, x: Images, rows: Sequence[int], noise: Noise
) -> list[FoundImages]:
    """Attack some rows at every eps, certified or not: what the metric of the run promises says nothing of others."""
    spec, index = plan.spec, torch.tensor(rows, device=x.device)
    moved, own = x[index], noise.select(index)
    goal = JoinedGoals.of([_goal(plan, batch, state, metric).select(index) for metric in plan.followed], moved)
    every = torch.zeros(len(spec.eps), len(rows), dtype=torch.bool, device=x.device)
    outcomes = run_attack(
        attack.climber(), plan.attack_name, goal, moved, spec.eps, every, own, plan.threat, spec.restarts,
        attack.looks(goal, own),
    )  # fmt: skip
    images = torch.stack([one.adversarial for one in outcomes], dim=1).cpu()
    sizes = torch.stack([one.size for one in outcomes], dim=1).cpu()
    spent = torch.stack([_counts(one.spent) for one in outcomes], dim=1)
    return [FoundImages(images[i].clone(), sizes[i].clone(), spent[i].clone()) for i in range(len(rows))]


def _goal(plan: Plan, batch: Any, state: State, metric: Metric) -> Objective:
    """The goal of the run, as if it were asked of another metric; one without a gradient is climbed by its stand-in."""

    def goal_of(one: Metric) -> Objective:
        return plan.task.objective(plan.task.prepare(one, batch, plan.aim, state))

    surrogate = None if metric.differentiable else metric.surrogate()
    return goal_of(metric) if surrogate is None else Guided(goal_of(metric), goal_of(surrogate), surrogate)


def _counts(spent: Tally) -> Tensor:
    return torch.stack([getattr(spent, one.name) for one in fields(Tally)], dim=1)


def _outcome(at: int, eps: float, x: Images, found: dict[int, FoundImages]) -> Outcome:
    images, sizes = x.clone(), torch.zeros(len(x), dtype=torch.float64, device=x.device)
    spent = torch.zeros(len(x), len(fields(Tally)))
    for i, one in found.items():
        images[i], sizes[i], spent[i] = one.images[at].to(x), one.sizes[at], one.spent[at]
    nothing = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    return Outcome(eps, images, nothing, sizes, ("",) * len(x), Tally(*spent.unbind(1)))


def _what_decides(spec: RunSpec) -> str:
    """The part of a spec that decides which images are found."""
    content = spec.to_dict()
    for name in ("arguments", "fingerprints"):
        content[name] = {key: one for key, one in content[name].items() if key not in _OF_THE_JUDGE}  # type: ignore[attr-defined]
    return canonical_json({key: one for key, one in content.items() if key not in _OF_THE_JUDGE})


def _key(asked: str, name: str, content: str) -> str:
    return hashlib.sha256(f"{asked}\n{content}\n{name}".encode()).hexdigest()
