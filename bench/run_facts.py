"""What a record says of a finished run beside its spec and its samples."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from perceptbench.attacks.adaptive import Adaptive
from perceptbench.attacks.followed import FollowsOthers
from perceptbench.attacks.over_draws import GRADIENT_DRAWS, VERDICT_DRAWS
from perceptbench.bench.component_identity import arguments_of
from perceptbench.bench.plan import Plan
from perceptbench.metrics.base import EmbeddingMetric
from perceptbench.tasks.base import Sample, State
from perceptbench.triplets.base import conversions

DRAWS = {"gradient": GRADIENT_DRAWS, "verdict": VERDICT_DRAWS}
"""Of a metric that draws at random: of how many each gradient is the mean, and each answer the majority."""


def run_facts(plan: Plan, state: State, samples: pd.DataFrame, resumed: int, seconds: float) -> dict[str, Any]:
    """The facts of a finished run, by the keys of docs/records.md; those of flags of distrust come later.

    Args:
        state: what task and threat were fitted on.
        samples: of the whole run, each at every eps.
        resumed: how many samples an earlier process left.
        seconds: that this process took.
    """
    last = samples[samples["eps"] == samples["eps"].max()]
    norms = last["norm_ref"] if "norm_ref" in last else pd.Series(dtype=float)
    return {
        "unit": "distance" if plan.task.endless else "percent",
        "answers": plan.source.kind != "images",
        "people": bool(getattr(plan.source, "people", False)),
        "cosine": isinstance(plan.metric, EmbeddingMetric) and type(plan.metric).compare is EmbeddingMetric.compare,
        "parts": _parts(plan, last),
        "parts_left_out": list(plan.left_out),
        **({"draws": DRAWS} if plan.metric.stochastic else {}),
        **({"followed": list(plan.attack.followed())} if isinstance(plan.attack, FollowsOthers) else {}),
        "minimal": bool(plan.parts) and all(member.minimal for _, member, _ in plan.parts),
        "sound": plan.sound,
        "confidence": plan.certifier.confidence if plan.certifier else None,
        "promise": plan.certifier.promise(plan.metric) if plan.certifier else "",
        "state": dict(state),
        "n": len(plan.source),
        "ties": plan.source.ties,
        "note": "; ".join(filter(None, (plan.source.note, plan.threat.note(state)))),
        "converted": conversions(plan.source.entries),
        "references": repeated_references(plan.source.entries),
        "others": _others(plan.source.entries),
        "resumed": resumed,
        "seconds": round(seconds, 2),
        "forwards": float(last["forwards"].sum()),
        "backwards": float(last["backwards"].sum()),
        "min_norm_ref": float(norms.min()) if norms.notna().any() else None,
    }


def _parts(plan: Plan, last: pd.DataFrame) -> list[dict[str, Any]]:
    """What ran, with its numbers; of an attack that chose its parts also how many samples each has broken."""
    parts = [{"part": name, "starts": starts, **arguments_of(member)} for name, member, starts in plan.parts]
    if isinstance(plan.attack, Adaptive):
        broke = Counter(last["broken_by"])
        return [{**part, "broke": broke[part["part"]]} for part in parts]
    return parts


def repeated_references(entries: Sequence[Sample]) -> dict[str, str]:
    """The reference image of each sample by id, for images in several samples: intervals resample them by image.

    The image that a pair is compared with (`other`) counts too.
    """
    others = _others(entries)
    count = Counter(name for entry in entries for name in {entry.reference, others.get(entry.id, "")})
    return {entry.id: entry.reference for entry in entries if entry.reference and count[entry.reference] > 1}


def _others(entries: Sequence[Sample]) -> dict[str, str]:
    """The image that each sample is compared with, by id; empty where samples are no pairs."""
    found = {entry.id: str(getattr(entry, "other", "")) for entry in entries}
    return {name: other for name, other in found.items() if other}
