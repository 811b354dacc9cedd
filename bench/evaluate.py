"""One batch of one run: clean answers, certificates, attacks, and their judgement."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, cast

import pandas as pd
import torch
from torch import Tensor

from perceptbench.attacks.ball import on_grid, unstack
from perceptbench.attacks.base import Attack, Ensemble
from perceptbench.attacks.literal import OwnOutput
from perceptbench.attacks.running.outcome import Outcome
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.task import Aim, Task, make_task
from perceptbench.bench.plan import Plan
from perceptbench.certifiers.certify import certify
from perceptbench.core.errors import UnsoundError, UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images
from perceptbench.metrics.base import Anchors, EmbeddingMetric
from perceptbench.results.record import COLUMNS
from perceptbench.triplets.base import Triplets

Watch: TypeAlias = Callable[[Triplets, Images], None]
"""Is shown a batch and its attacked images, once for each eps in order."""


@dataclass(frozen=True)
class Clean:
    """A batch before any attack; vectors have one entry a triplet."""

    anchors: Anchors
    """Of left and right, embedded once for answers and attacks."""
    d0: Tensor
    d1: Tensor
    correct: Tensor
    radius: Tensor
    norm_ref: Tensor


@torch.no_grad()
def clean_answers(plan: Plan, batch: Triplets) -> Clean:
    """Distances, answers and radii in the norm of the run."""
    anchors = plan.metric.prepare(batch.left, batch.right)
    d0, d1 = anchors.distances(batch.reference)
    if not bool(torch.isfinite(d0 + d1).all()):
        raise UserError(f"{plan.spec.metric} gave a distance that is not finite on {batch.ids[0]} or its batch")
    correct = (2 * batch.label - 1) * (d0 - d1) > 0
    radius, norm = torch.zeros_like(d0, dtype=torch.float64), torch.full_like(d0, torch.nan, dtype=torch.float64)
    if plan.certifier is not None:
        noise = Noise.make(plan.spec.seed, batch.ids, "certificate")
        proof = certify(plan.certifier, plan.metric, batch, plan.threat, noise)
        # A smoothed vote is another classifier: its radius does not depend on the metric's own answer.
        radius = torch.where(correct, proof.radius, radius) if plan.sound else proof.radius
        norm = proof.norm_ref
    elif isinstance(plan.metric, EmbeddingMetric):
        norm = plan.metric.embed(batch.reference).double().norm(dim=1)
    return Clean(anchors, d0, d1, correct, radius, norm)


def evaluate(plan: Plan, batch: Triplets, groups: list[str], watch: Watch | None = None) -> pd.DataFrame:
    """Rows of samples.parquet for one batch, all eps."""
    if plan.spec.quantize:
        batch = batch.redrawn(on_grid)
    clean = clean_answers(plan, batch)
    common = {
        "id": list(batch.ids),
        "group": groups,
        "label": batch.label,
        "right_share": batch.right_share,
        "d0": clean.d0,
        "d1": clean.d1,
        "correct": clean.correct,
        "radius": clean.radius,
        "norm_ref": clean.norm_ref,
    }
    outcomes = _attack(plan, plan.attack, batch, clean, watch) if plan.attack else _no_attack(plan, clean)
    return pd.concat([_frame(common | columns) for columns in outcomes], ignore_index=True)


def _frame(columns: dict[str, object]) -> pd.DataFrame:
    plain = {k: v.detach().cpu().numpy() if isinstance(v, Tensor) else v for k, v in columns.items()}
    return pd.DataFrame({name: plain[name] for name in COLUMNS}).astype(COLUMNS)


def _no_attack(plan: Plan, clean: Clean) -> Iterator[dict[str, object]]:
    zero = torch.zeros_like(clean.d0)
    for eps in plan.spec.eps:
        yield {
            "eps": eps, "d0_adv": clean.d0, "d1_adv": clean.d1, "d_self": zero, "robust": clean.correct,
            "size": zero, "broken_by": "", "forwards": zero, "backwards": zero,
        }  # fmt: skip


def _attack(
    plan: Plan, attack: Attack | Ensemble, batch: Triplets, clean: Clean, watch: Watch | None
) -> Iterator[dict[str, object]]:
    task = make_task(
        plan.metric, batch, plan.threat, cast(Aim, plan.spec.goal), by_embedding=attack.goal == "embedding",
        quantized=plan.spec.quantize is not None, anchors=clean.anchors,
    )  # fmt: skip
    judge = Judge(plan, batch, clean, task)
    lost = ~clean.correct
    for outcome in _outcomes(plan, attack, batch, clean, task):
        d0, d1, d_self = judge(outcome.adversarial)
        # Two judges, of batches of different size: a flip that either saw is a flip, here and at larger eps.
        flipped = ((2 * batch.label - 1) * (d0 - d1) <= 0) | outcome.broken
        _refuse_unsound(plan, batch, clean, task, outcome, flipped)
        if watch is not None:
            watch(batch, outcome.adversarial)
        lost = flipped if plan.literal else lost | flipped
        yield {
            "eps": outcome.eps, "d0_adv": d0, "d1_adv": d1, "d_self": d_self,
            "robust": ~lost, "size": outcome.size,
            "broken_by": _broken_by(clean.correct & lost, outcome, plan.attack_name),
            "forwards": outcome.forwards, "backwards": outcome.backwards,
        }  # fmt: skip


def _outcomes(plan: Plan, attack: Attack | Ensemble, batch: Triplets, clean: Clean, task: Task) -> Iterator[Outcome]:
    spec, noise = plan.spec, Noise.make(plan.spec.seed, batch.ids)
    if plan.literal:
        # Each eps by itself, and wrong answers too: what the attack returns is what counts.
        goal = task.objective if spec.goal != "flip" else OwnOutput.make(clean.anchors, batch.reference)
        for eps in spec.eps:
            skip = torch.zeros_like(clean.correct)[None]
            yield from run_attack(attack, plan.attack_name, goal, task.x, [eps], skip, noise, task.ball)
        return
    budgets = torch.tensor(spec.eps, dtype=torch.float64, device=clean.radius.device)
    skip = torch.zeros(len(budgets), len(batch.ids), dtype=torch.bool, device=budgets.device)
    if spec.goal == "flip":
        proved = clean.radius[None] > budgets[:, None]
        skip = ~clean.correct[None] | (proved & (plan.sound is True) & spec.skip_certified)
    yield from run_attack(
        attack, plan.attack_name, task.objective, task.x, spec.eps, skip, noise, task.ball, spec.restarts
    )


@dataclass
class Judge:
    """Distances after the attack; an image that did not change since the last budget is not judged again."""

    plan: Plan
    batch: Triplets
    clean: Clean
    task: Task

    def __post_init__(self) -> None:
        with torch.no_grad():
            zero = torch.zeros_like(self.clean.d0)
            self._last = self.task.x
            self._answers = torch.stack((self.clean.d0, self.clean.d1, zero))
            self._itself = self.plan.metric.prepare(self._moved(self.task.x))

    def __call__(self, adversarial: Images) -> Tensor:
        """d(reference, left), d(reference, right) and d(moved, its clean self): (3, n)."""
        index = (adversarial != self._last).flatten(1).any(1).nonzero().flatten()
        if len(index):
            answers = self._answers.clone()
            answers[:, index] = self._distances(adversarial[index], index)
            self._last, self._answers = adversarial, answers
        return self._answers

    @torch.no_grad()
    def _distances(self, changed: Images, index: Tensor) -> Tensor:
        itself = self._itself.select(index).distances(self._moved(changed))
        if self.task.threat.move == "reference":
            return torch.cat((self.clean.anchors.select(index).distances(changed), itself))
        part = self.batch.mapped(lambda tensor: tensor[index])
        reference, left, right = self.task.images(part, changed)
        metric = self.plan.metric
        return torch.cat((metric(reference, left)[None], metric(reference, right)[None], itself))

    def _moved(self, x: Images) -> Images:
        """The image that d_self is about: the reference, if it moves."""
        return unstack(x)[0] if self.task.threat.move == "all" else x


def _broken_by(lost: Tensor, outcome: Outcome, name: str) -> list[str]:
    """The part that broke each lost triplet; the attack itself where only this judgement saw a flip."""
    return [part or name if gone else "" for gone, part in zip(lost.tolist(), outcome.broken_by, strict=True)]


def _refuse_unsound(plan: Plan, batch: Triplets, clean: Clean, task: Task, outcome: Outcome, flipped: Tensor) -> None:
    """The invariant of docs/certificates.md, section 8."""
    inside = flipped & clean.correct & (outcome.size < clean.radius)
    if not plan.sound or not bool(inside.any()):
        return
    i = int(inside.nonzero()[0])
    images = {"reference": batch.reference, "left": batch.left, "right": batch.right}
    changed = task.images(batch, outcome.adversarial)
    for name, before, after in zip(list(images), list(images.values()), changed, strict=True):
        if after is not before:
            images["adversarial" if name == "reference" else f"adversarial_{name}"] = after
    raise UnsoundError(
        f"{plan.spec.metric}: triplet {batch.ids[i]!r} was flipped at {plan.spec.norm} {outcome.size[i]:.6g}, inside "
        f"its certified radius {clean.radius[i]:.6g} ({plan.spec.certifier}); the certificate is wrong",
        str(plan.spec.metric),
        {name: image[i].cpu().contiguous() for name, image in images.items()},
    )
