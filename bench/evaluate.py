"""Computes one chunk of a run: prepare, answer, prove, attack what is not proved, judge again, write."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import pandas as pd
import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.followed import FollowsOthers
from perceptbench.attacks.guided import Guided
from perceptbench.attacks.running.counted import Tally
from perceptbench.attacks.running.judge import Outcome
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.threats.eight_bit import on_grid
from perceptbench.attacks.threats.proved import radius_in_set
from perceptbench.bench.found_on_others import found_on_others
from perceptbench.bench.plan import Plan
from perceptbench.bench.visible import Visible
from perceptbench.core.errors import UnsoundError, UserError
from perceptbench.core.noise import Noise
from perceptbench.core.others import contained
from perceptbench.core.tensors import Images, PerImage
from perceptbench.results.record import VISIBLE
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
    given, batch = batch, judged_images(plan, batch)
    prepared = plan.task.prepare(plan.metric, batch, plan.aim, state)
    clean = _clean(plan, prepared)
    radius = _proved(plan, prepared, batch, clean)
    judge = _Judge(plan, prepared, clean)
    visible = _visible(plan, prepared, batch) if plan.attack else None
    lost, frames, content = clean.judged.reached, [], contents(batch)
    moving = plan.task.moving(prepared)
    if plan.sent:
        # What is sent is changed, and what arrives is judged.
        moving = plan.task.moving(plan.task.prepare(plan.metric, given, plan.aim, state))
    for outcome in _attacked(plan, prepared, moving, batch, content, clean, radius, state):
        judged = judge(outcome.adversarial)
        # Both the runner of the attack and the task judge, in batches of different size, which may round differently.
        # A success that either of them saw counts, here and at every larger eps.
        # Of a metric that draws, the attack chose among many draws, so the later ones of the task decide.
        reached = judged.reached if plan.metric.stochastic else judged.reached | outcome.broken
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
            "content": content, "queries": _queries(broken, outcome),
            **(visible(outcome.adversarial) if visible else dict.fromkeys(VISIBLE, math.nan)),
        }))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def judged_images(plan: Plan, batch: Batch) -> Any:
    """A batch as the metric sees it before any attack: rounded, or with the image that is sent as it arrives.

    Raises UserError for samples that have no such image.
    """
    if not plan.sent:
        return batch.redrawn(on_grid) if plan.spec.quantize else batch
    image = getattr(batch, plan.move, None)
    if image is None:
        raise UserError(f"--through sends the {plan.move}, and the samples of {plan.spec.data} have none; leave it out")
    return replace(batch, **{plan.move: plan.threat.unchanged(image)})  # type: ignore[type-var]


@contained()
def clean_answers(plan: Plan, batch: Batch, state: State, *, proved: bool) -> pd.DataFrame:
    """The id, the clean columns of the task and, if `proved`, the radius of each sample; nothing is attacked."""
    batch = judged_images(plan, batch)
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
    """Certified radii (n,) in the norm that covers the threat, or in its own size; 0 where nothing is proved."""
    nothing = torch.zeros_like(clean.judged.reached, dtype=torch.float64)
    if plan.certifier is None:
        return nothing
    noise = Noise.make(plan.spec.seed, batch.ids, "certificate")
    radius = plan.task.prove(prepared, plan.certifier, plan.certified, noise).radius
    if plan.threat.bounded:
        radius = radius_in_set(plan.threat, plan.task.moving(prepared), radius)
    # A smoothed vote is another classifier, so its radius does not depend on the metric's own answer.
    return torch.where(clean.judged.reached, nothing, radius) if plan.sound else radius


def _attacked(
    plan: Plan,
    prepared: Any,
    x: Images,
    batch: Batch,
    content: Sequence[str],
    clean: Clean,
    radius: PerImage,
    state: State,
) -> Iterator[Outcome]:
    """The outcome of the attack on some images at each eps, in order; without an attack the unchanged images."""
    spec = plan.spec
    if plan.attack is None:
        none, nothing = torch.zeros_like(clean.judged.reached), torch.zeros_like(radius)
        unbroken = ("",) * len(batch.ids)
        yield from (Outcome(eps, x, none, nothing, unbroken, Tally.zeros(len(x))) for eps in spec.eps)
        return
    noise = Noise.make(spec.seed, batch.ids)
    if isinstance(plan.attack, FollowsOthers):
        yield from found_on_others(plan, plan.attack, batch, content, state, x, clean.judged.reached, noise)
        return
    objective = plan.task.objective(prepared)
    guide, threat = guide_of(plan, batch, objective, state), plan.threat.taught(state)
    if plan.literal:
        # Each eps is attacked separately, and wrong answers are attacked too: the last image is the result.
        for eps in spec.eps:
            skip = torch.zeros(1, len(x), dtype=torch.bool, device=x.device)
            yield from run_attack(plan.attack, plan.attack_name, objective, x, [eps], skip, noise, threat, guide=guide)
        return
    budgets = torch.tensor(spec.eps, dtype=torch.float64, device=x.device)
    proved = (radius[None] > budgets[:, None]) & (plan.sound is True) & spec.skip_certified
    # Where nothing can be reached, an answer that is wrong already is attacked like any other.
    skip = (clean.judged.reached[None] & (not plan.task.endless)) | proved
    yield from run_attack(
        plan.attack, plan.attack_name, objective, x, spec.eps, skip, noise, threat, spec.restarts, guide
    )


def guide_of(plan: Plan, batch: Batch, objective: Objective, state: State) -> Objective | None:
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


def _visible(plan: Plan, prepared: Any, batch: Batch) -> Visible:
    """What compares attacked images with clean ones; the images of a sample that move together are told apart."""
    x = plan.task.moving(prepared)
    parts = (getattr(batch, one.name) for one in fields(batch))  # type: ignore[arg-type]
    heights = (part.shape[2] for part in parts if isinstance(part, Tensor) and part.ndim == x.ndim)
    return Visible(x, x.shape[2] // next(heights, x.shape[2]))


def _written(before: Any, index: Tensor, values: Any) -> Any:
    """The values of all samples, a tensor or words, once those of some are new."""
    if isinstance(before, Tensor):
        after: Tensor = before.clone()
        after[index] = values
        return after
    new = dict(zip(index.tolist(), values, strict=True))
    return [new.get(i, old) for i, old in enumerate(before)]


def _frame(plan: Plan, columns: dict[str, Any]) -> pd.DataFrame:
    types = plan.columns
    plain = {k: v.detach().cpu().numpy() if isinstance(v, Tensor) else v for k, v in columns.items()}
    return pd.DataFrame({name: plain[name] for name in types}).astype(types)


def _queries(broken: Tensor, outcome: Outcome) -> PerImage:
    """Passes up to the first success of each sample, NaN where there is none; all passes where only the task saw it."""
    seen = torch.full_like(outcome.forwards, torch.nan) if outcome.queries is None else outcome.queries
    return torch.where(broken.cpu(), torch.where(seen.isnan(), outcome.forwards, seen), torch.nan)


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
        f"{plan.spec.metric.shown}: the answer to {batch.ids[i]!r} was broken at {plan.spec.threat} "
        f"{outcome.size[i]:.6g}, inside its certified radius {radius[i]:.6g} ({plan.spec.certifier}); the certificate "
        "is wrong",
        plan.spec.metric.shown,
        {name: image[i].cpu().contiguous() for name, image in images.items()},
    )
