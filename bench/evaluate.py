"""Computes one chunk of a run: prepare, answer, prove, attack what is not proved, judge again, write."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd
import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.guided import Guided
from perceptbench.attacks.running.counted import Tally
from perceptbench.attacks.running.judge import Outcome
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.threats.eight_bit import on_grid
from perceptbench.bench.plan import Plan
from perceptbench.core.errors import UnsoundError, UserError
from perceptbench.core.noise import Noise
from perceptbench.core.others import contained
from perceptbench.core.tensors import Images, PerImage
from perceptbench.results.record import columns_of
from perceptbench.tasks.base import Batch, Clean, Judged, State
from perceptbench.tasks.content import contents

Watch: TypeAlias = Callable[[Any, Outcome], None]
"""Called with a batch and what the attack achieved on it, once for each eps in order."""


@contained()
def evaluate(plan: Plan, batch: Batch, groups: Sequence[str], state: State, watch: Watch | None = None) -> pd.DataFrame:
    """The rows of samples.parquet for one chunk: one for each sample and eps.

    Raises UnsoundError where an attack succeeds inside a radius that was called sound.
    """
    plan = plan.told(state)
    batch = batch.redrawn(on_grid) if plan.spec.quantize else batch
    prepared = plan.task.prepare(plan.metric, batch, plan.aim, state)
    clean = _clean(plan, prepared)
    radius = _proved(plan, prepared, batch, clean)
    judge = _Judge(plan, prepared, clean)
    lost, frames, content = clean.judged.reached, [], contents(batch)
    for outcome in _attacked(plan, prepared, batch, clean, radius, state):
        judged = judge(outcome.adversarial)
        # Both the runner of the attack and the task judge, in batches of different size, which may round differently.
        # A success that either of them saw counts, here and at every larger eps.
        reached = judged.reached | outcome.broken
        _refuse_unsound(plan, prepared, batch, clean, radius, outcome, reached)
        if watch is not None:
            watch(batch, outcome)
        lost = reached if plan.literal else lost | reached
        broken = lost & ~clean.judged.reached
        proved = plan.task.prove_at(prepared, plan.certifier, plan.certified, outcome.eps) if plan.certifier else {}
        frames.append(_frame(plan, {
            "id": list(batch.ids), "group": list(groups), "eps": outcome.eps,
            **clean.columns, **judged.columns, **proved,
            "robust": ~lost, "size": outcome.size, "broken_by": _broken_by(broken, outcome, plan.attack_name),
            "radius": radius, "forwards": outcome.forwards, "backwards": outcome.backwards,
            "content": content,
        }))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


@contained()
def clean_answers(plan: Plan, batch: Batch, state: State, *, proved: bool) -> pd.DataFrame:
    """The id, the clean columns of the task and, if `proved`, the radius of each sample; nothing is attacked."""
    batch = batch.redrawn(on_grid) if plan.spec.quantize else batch
    prepared = plan.task.prepare(plan.metric, batch, plan.aim, state)
    clean = _clean(plan, prepared)
    radius = {"radius": _proved(plan, prepared, batch, clean)} if proved else {}
    columns = {"id": list(batch.ids), **clean.columns, **radius}
    return pd.DataFrame({k: v.detach().cpu().numpy() if isinstance(v, Tensor) else v for k, v in columns.items()})


def _clean(plan: Plan, prepared: Any) -> Clean:
    """The clean answers. Raises UserError for a task that gives something else."""
    clean: Any = plan.task.clean(prepared)
    if not isinstance(clean, Clean) or not isinstance(clean.judged, Judged):
        raise UserError(f"--task {plan.spec.task}: clean must give a Clean, got {type(clean).__name__}; mend the task")
    return clean


def _proved(plan: Plan, prepared: Any, batch: Batch, clean: Clean) -> PerImage:
    """Certified radii (n,) in the norm that covers the threat; 0 where nothing is proved."""
    nothing = torch.zeros_like(clean.judged.reached, dtype=torch.float64)
    if plan.certifier is None:
        return nothing
    noise = Noise.make(plan.spec.seed, batch.ids, "certificate")
    radius = plan.task.prove(prepared, plan.certifier, plan.certified, noise).radius
    # A smoothed vote is another classifier, so its radius does not depend on the metric's own answer.
    return torch.where(clean.judged.reached, nothing, radius) if plan.sound else radius


def _attacked(
    plan: Plan, prepared: Any, batch: Batch, clean: Clean, radius: PerImage, state: State
) -> Iterator[Outcome]:
    """The outcome of the attack at each eps, in order; without an attack the unchanged images."""
    spec, x = plan.spec, plan.task.moving(prepared)
    if plan.attack is None:
        none, nothing = torch.zeros_like(clean.judged.reached), torch.zeros_like(radius)
        unbroken = ("",) * len(batch.ids)
        yield from (Outcome(eps, x, none, nothing, unbroken, Tally.zeros(len(x))) for eps in spec.eps)
        return
    objective = plan.task.objective(prepared)
    guide = _guide(plan, batch, objective, state)
    noise = Noise.make(spec.seed, batch.ids)
    if plan.literal:
        # Each eps is attacked separately, and wrong answers are attacked too: the last image is the result.
        for eps in spec.eps:
            skip = torch.zeros(1, len(x), dtype=torch.bool, device=x.device)
            yield from run_attack(
                plan.attack, plan.attack_name, objective, x, [eps], skip, noise, plan.threat, guide=guide
            )
        return
    budgets = torch.tensor(spec.eps, dtype=torch.float64, device=x.device)
    proved = (radius[None] > budgets[:, None]) & (plan.sound is True) & spec.skip_certified
    # Where nothing can be reached, an answer that is wrong already is attacked like any other.
    skip = (clean.judged.reached[None] & (not plan.task.endless)) | proved
    yield from run_attack(
        plan.attack, plan.attack_name, objective, x, spec.eps, skip, noise, plan.threat, spec.restarts, guide
    )


def _guide(plan: Plan, batch: Batch, objective: Objective, state: State) -> Objective | None:
    """The goal as gradients see it, where the metric has none but a surrogate has."""
    surrogate = plan.surrogate
    if surrogate is None:
        return None
    followed = plan.task.objective(plan.task.prepare(surrogate, batch, plan.aim, state))
    return Guided(objective, followed, surrogate)


@dataclass
class _Judge:
    """The judgement of the task. An image that is the same as at the last budget is not judged again."""

    plan: Plan
    prepared: Any
    clean: Clean

    def __post_init__(self) -> None:
        self._last = self.plan.task.moving(self.prepared)
        self._judged = self.clean.judged

    def __call__(self, adversarial: Images) -> Judged:
        index = (adversarial != self._last).flatten(1).any(1).nonzero().flatten()
        if len(index):
            found: Any = self.plan.task.judge(self.prepared, adversarial[index], index)
            if not isinstance(found, Judged):
                got = type(found).__name__
                raise UserError(f"--task {self.plan.spec.task}: judge must give a Judged, got {got}; mend the task")
            columns = {
                name: _written(self._judged.columns[name], index, values) for name, values in found.columns.items()
            }
            self._judged = Judged(_written(self._judged.reached, index, found.reached), columns)
            self._last = adversarial
        return self._judged


def _written(before: Any, index: Tensor, values: Any) -> Any:
    """The values of all samples, a tensor or words, once those of some are new."""
    if isinstance(before, Tensor):
        after: Tensor = before.clone()
        after[index] = values
        return after
    new = dict(zip(index.tolist(), values, strict=True))
    return [new.get(i, old) for i, old in enumerate(before)]


def _frame(plan: Plan, columns: dict[str, Any]) -> pd.DataFrame:
    types = columns_of(plan.task.columns)
    plain = {k: v.detach().cpu().numpy() if isinstance(v, Tensor) else v for k, v in columns.items()}
    return pd.DataFrame({name: plain[name] for name in types}).astype(types)


def _broken_by(broken: Tensor, outcome: Outcome, name: str) -> list[str]:
    """The part that broke each sample; the name of the attack where only the task saw a success."""
    return [part or name if lost else "" for lost, part in zip(broken.tolist(), outcome.broken_by, strict=True)]


def _refuse_unsound(
    plan: Plan, prepared: Any, batch: Batch, clean: Clean, radius: PerImage, outcome: Outcome, reached: Tensor
) -> None:
    """The invariant of docs/certificates.md, section 8."""
    inside = reached & ~clean.judged.reached & (outcome.size < radius)
    if not plan.sound or not bool(inside.any()):
        return
    i = int(inside.nonzero()[0])
    images = plan.task.images(prepared, outcome.adversarial)
    raise UnsoundError(
        f"{plan.spec.metric}: the answer to {batch.ids[i]!r} was broken at {plan.spec.norm} {outcome.size[i]:.6g}, "
        f"inside its certified radius {radius[i]:.6g} ({plan.spec.certifier}); the certificate is wrong",
        str(plan.spec.metric),
        {name: image[i].cpu().contiguous() for name, image in images.items()},
    )
