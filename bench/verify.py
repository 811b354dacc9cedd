"""Is a finished run what this machine gets? Some of its samples are answered, attacked and judged again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from perceptbench.bench.evaluate import evaluate, judged_images
from perceptbench.bench.plan import Plan
from perceptbench.bench.planner import make_plans
from perceptbench.bench.probe import RELATIVE, differences, spread
from perceptbench.bench.repeated import request_of
from perceptbench.core.errors import UnsoundError, UserError
from perceptbench.results.gate.baseline import completed
from perceptbench.results.record import Record
from perceptbench.results.saved_images import SavedTriplet, saved
from perceptbench.results.tasks.base import scores_of
from perceptbench.tasks.base import Sample


@dataclass(frozen=True)
class Verified:
    """What was found about a run.

    Args:
        run: its id.
        samples: ids of the samples that were computed again.
        images: how many saved adversarial images were judged again.
        moved: parts of its identity that are others today.
        refuted: sentences, one for each stored number that is better than today's or is not to be had today.
        weaker: sentences, one for each stored number that is worse than today's.
    """

    run: str
    samples: tuple[str, ...]
    images: int
    moved: tuple[str, ...]
    refuted: tuple[str, ...]
    weaker: tuple[str, ...]


def verified(record: Record, count: int, device: str) -> Verified:
    """Compute some samples of a run again: clean answers and radii, the attack, and saved images.

    Raises UserError where the run can no longer be planned: a metric, a file or a package is missing.
    """
    (plan,) = make_plans(request_of({**completed(record.spec), "task": record.task}, device))
    prints, today = record.spec.get("fingerprints", {}), plan.spec.fingerprints
    # Runs of schemas 1 and 2 do not say what their parts were.
    by_part = "metric" in prints
    known = {entry.id: entry for entry in plan.source.entries}
    stored_ids = list(dict.fromkeys(record.samples["id"]))
    chosen = spread(stored_ids, record.run, count)
    if lost := [name for name in stored_ids if name not in known]:
        raise UserError(
            f"{record.spec['data']} has no sample {lost[0]!r}, which the run {record.run} has; name its data"
        )
    entries = [known[name] for name in chosen]
    refuted = [f"{one}, which is another answer" for one in differences(plan, record.samples, _state(record), entries)]
    weaker: list[str] = []
    for sentence, better in (*_attacked_again(plan, record, entries), *_judged_again(plan, record, known, count)):
        (refuted if better else weaker).append(sentence)
    return Verified(
        run=record.run,
        samples=tuple(chosen),
        images=len(_kept(record, known, count)),
        moved=tuple(sorted(key for key in today if by_part and prints.get(key) != today[key])),
        refuted=tuple(refuted),
        weaker=tuple(weaker),
    )


def _state(record: Record) -> dict[str, Any]:
    return dict(record.facts.get("state", {}))


def _attacked_again(plan: Plan, record: Record, entries: Sequence[Sample]) -> Iterator[tuple[str, bool]]:
    """(sentence, whether the stored number is the better one) for each outcome of the attack that differs today."""
    if plan.attack is None or plan.metric.stochastic:
        # Another draw may fall where this one stood, which refutes nothing.
        return
    groups = [entry.group for entry in entries]
    try:
        batch = plan.source.batch(entries).to(plan.request.where)
        frame = evaluate(plan, batch, groups, _state(record))
    except UnsoundError as error:
        yield str(error), True
        return
    before, now = (_outcomes(record, samples) for samples in (record.samples, frame))
    for (name, eps), value in now.items():
        yield from _compared(record, f"at eps {eps:g}, {name!r}", before[name, eps], value)


def _outcomes(record: Record, samples: pd.DataFrame) -> dict[tuple[str, float], float]:
    """What the attack left of each sample and eps, as the task gates it; nothing for a task that does not say."""
    gated = scores_of(record.task).gated(replace(record, samples=samples))
    if gated is None:
        return {}
    keys = zip(samples["id"].astype(str), samples["eps"].astype(float), strict=True)
    return dict(zip(keys, gated.attacked.astype(float), strict=True))


def _compared(record: Record, what: str, before: float, now: float) -> Iterator[tuple[str, bool]]:
    measure = scores_of(record.task).gated(record).attacked_measure  # type: ignore[union-attr]
    if measure == "stands":
        if before != now:
            words = ("was broken in the record and stands today", "stands in the record and is broken today")
            yield f"{what} {words[before > now]}", before > now
    elif not np.isclose(before, now, rtol=10 * RELATIVE, atol=0):
        better = (before < now) if measure == "smaller" else (before > now)
        yield f"{what} has the distance {before:.6g} in the record and {now:.6g} today", better


def _kept(record: Record, known: dict[str, Sample], count: int) -> list[SavedTriplet]:
    if record.folder is None:
        return []
    return [one for one in saved(record.folder.parent, record.run) if one.id in known][:count]


def _judged_again(plan: Plan, record: Record, known: dict[str, Sample], count: int) -> Iterator[tuple[str, bool]]:
    """(sentence, whether the stored number is the better one) for each saved image that is judged otherwise today."""
    columns = [record.samples[name].tolist() for name in ("id", "eps", "robust", "broken_by")]
    stood = {(name, eps): (robust, broken_by) for name, eps, robust, broken_by in zip(*columns, strict=True)}
    for triplet in _kept(record, known, count):
        batch = judged_images(plan, plan.source.batch([known[triplet.id]]).to(plan.request.where))
        prepared = plan.task.prepare(plan.metric, batch, plan.aim, _state(record))
        index = torch.zeros(1, dtype=torch.long, device=plan.request.where)
        for eps, image in zip(triplet.eps, triplet.adversarial, strict=True):
            changed = torch.from_numpy(image)[None].to(plan.request.where)
            judged = plan.task.judge(prepared, changed, index)
            robust, broken_by = stood[triplet.id, eps]
            reached = bool(judged.reached[0])
            what = f"the saved image of {triplet.id!r} at eps {eps:g}"
            if reached and robust:
                yield f"{what} breaks it today, and the record has it as robust", True
            elif not reached and broken_by and not plan.task.endless:
                yield f"{what} does not break it today, and the record says that {broken_by} did", False
