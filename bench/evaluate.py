"""One batch of one run: clean answers, certificates, attacks, and their judgement."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from attacks.base import Attack, Ensemble, Objective
from attacks.objectives import EmbeddingShift, FlipPreference
from attacks.runner import Outcome, run_attack
from bench.plan import Plan
from certifiers.certify import certify
from core.errors import UserError
from core.noise import Noise
from core.spec import Norm
from metrics.base import EmbeddingMetric, LipschitzMetric
from results.record import COLUMNS
from triplets.base import Triplets


@dataclass(frozen=True)
class Clean:
    """A batch before any attack; vectors have one entry a triplet."""

    d0: Tensor
    d1: Tensor
    correct: Tensor
    radius: Tensor
    norm_ref: Tensor


class UnsoundError(Exception):
    """A flip inside a radius that was called sound: a proof or its code is wrong."""

    def __init__(self, message: str, tensors: dict[str, Tensor]) -> None:
        super().__init__(message)
        self.tensors = tensors


def clean_answers(plan: Plan, batch: Triplets) -> Clean:
    """Distances, answers and radii in the norm of the run."""
    with torch.no_grad():
        d0, d1 = plan.metric.prepare(batch.left, batch.right).distances(batch.reference)
        if not bool(torch.isfinite(d0 + d1).all()):
            raise UserError(f"{plan.spec.metric} gave a distance that is not finite on {batch.ids[0]} or its batch")
        sign = 2 * batch.label - 1
        correct = sign * (d0 - d1) > 0
        nothing = torch.zeros_like(d0, dtype=torch.float64)
        norm = torch.full_like(nothing, torch.nan)
        if plan.certifier is not None and isinstance(plan.metric, LipschitzMetric):
            proof = certify(plan.certifier, plan.metric, batch)
            radius = torch.where(correct, proof.radius, nothing)
            return Clean(d0, d1, correct, _in_norm(radius, plan.spec.norm, batch), proof.norm_ref)
        if isinstance(plan.metric, EmbeddingMetric):
            norm = plan.metric.embed(batch.reference).double().norm(dim=1)
        return Clean(d0, d1, correct, nothing, norm)


def _in_norm(radius: Tensor, norm: Norm, batch: Triplets) -> Tensor:
    """|delta|_inf <= e implies |delta|_2 <= e sqrt(3 h w) (docs/certificates.md, section 7)."""
    return radius if norm == "l2" else radius / batch.reference[0].numel() ** 0.5


def evaluate(plan: Plan, batch: Triplets, groups: list[str]) -> pd.DataFrame:
    """Rows of samples.parquet for one batch, all eps."""
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
    outcomes = _attack(plan, plan.attack, batch, clean) if plan.attack else _no_attack(plan, clean)
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


def _attack(plan: Plan, attack: Attack | Ensemble, batch: Triplets, clean: Clean) -> Iterator[dict[str, object]]:
    spec = plan.spec
    budgets = torch.tensor(spec.eps, dtype=torch.float64, device=clean.radius.device)
    objective: Objective
    if attack.goal == "embedding":
        objective = EmbeddingShift.make(plan.metric, batch.reference)
        skip = torch.zeros(len(budgets), len(batch.ids), dtype=torch.bool, device=budgets.device)
    else:
        objective = FlipPreference.make(plan.metric, batch.left, batch.right, batch.label)
        proved = clean.radius[None] > budgets[:, None]
        skip = ~clean.correct[None] | (proved & (plan.sound is True) & spec.skip_certified)
    noise = Noise.make(spec.seed, batch.ids)
    anchors = plan.metric.prepare(batch.left, batch.right, batch.reference)
    lost = ~clean.correct
    for outcome in run_attack(attack, plan.attack_name, objective, batch.reference, spec.eps, skip, noise):
        with torch.no_grad():
            d0, d1, d_self = anchors.distances(outcome.adversarial)
        # Two judges, of batches of different size: a flip that either saw is a flip, here and at larger eps.
        flipped = ((2 * batch.label - 1) * (d0 - d1) <= 0) | outcome.broken
        _refuse_unsound(plan, batch, clean, outcome, flipped)
        lost = lost | flipped
        yield {
            "eps": outcome.eps, "d0_adv": d0, "d1_adv": d1, "d_self": d_self,
            "robust": ~lost, "size": outcome.size,
            "broken_by": _broken_by(clean.correct & lost, outcome, plan.attack_name),
            "forwards": outcome.forwards, "backwards": outcome.backwards,
        }  # fmt: skip


def _broken_by(lost: Tensor, outcome: Outcome, name: str) -> list[str]:
    """The part that broke each lost triplet; the attack itself where only this judgement saw a flip."""
    return [part or name if gone else "" for gone, part in zip(lost.tolist(), outcome.broken_by, strict=True)]


def _refuse_unsound(plan: Plan, batch: Triplets, clean: Clean, outcome: Outcome, flipped: Tensor) -> None:
    """The invariant of docs/certificates.md, section 8."""
    inside = flipped & clean.correct & (outcome.size < clean.radius)
    if not plan.sound or not bool(inside.any()):
        return
    i = int(inside.nonzero()[0])
    images = {
        "reference": batch.reference,
        "adversarial": outcome.adversarial,
        "left": batch.left,
        "right": batch.right,
    }
    raise UnsoundError(
        f"{plan.spec.metric}: triplet {batch.ids[i]!r} was flipped at {plan.spec.norm} {outcome.size[i]:.6g}, inside "
        f"its certified radius {clean.radius[i]:.6g} ({plan.spec.certifier}); the certificate is wrong",
        {name: image[i].cpu().contiguous() for name, image in images.items()},
    )
