"""Runs the matrix of a baseline again: first checks that the question is the same, then audits, then the runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from perceptbench.bench.api.audit import searched
from perceptbench.bench.plan import Plan
from perceptbench.bench.planner import make_plans
from perceptbench.bench.progress import samples_progress
from perceptbench.bench.repeated import request_of
from perceptbench.bench.runner import run_plans
from perceptbench.core.errors import UnsoundError, UserError
from perceptbench.core.ref import Ref
from perceptbench.core.spec import canonical_json, typed_metric
from perceptbench.metrics.base import LipschitzMetric, Metric
from perceptbench.results.gate.baseline import BaselineRun, completed, run_of
from perceptbench.results.gate.worse import Finding
from perceptbench.results.store import RunStore


def restricted(matrix: Sequence[BaselineRun], candidate: str | None) -> tuple[BaselineRun, ...]:
    """The runs of one metric, named as in the matrix or with other weights (`lipsim:FILE` for `lipsim`).

    Raises UserError where no metric of the matrix fits, or several do.
    """
    if candidate is None:
        return tuple(matrix)
    names = {run.spec["metric"]: Ref.parse(typed_metric(run.spec)).name for run in matrix}
    meant = [candidate] if candidate in names else [n for n, of in names.items() if of == Ref.parse(candidate).name]
    if len(meant) != 1:
        raise UserError(f"--metric wants one metric of the baseline, which has {', '.join(names)}; got {candidate}")
    return tuple(run for run in matrix if run.spec["metric"] == meant[0])


def plans_of(matrix: Sequence[BaselineRun], candidate: str | None, device: str) -> list[Plan]:
    """A plan for each run, with the candidate as its metric. Raises UserError where one can no longer be run."""
    plans = []
    built: dict[str, Metric] = {}
    for run in matrix:
        (plan,) = make_plans(request_of(run.spec, device, None if candidate == run.spec["metric"] else candidate))
        # One copy of the weights for all runs of a metric.
        plans.append(replace(plan, metric=built.setdefault(plan.spec.metric.shown, plan.metric)))
    return plans


def specified(matrix: Sequence[BaselineRun], plans: Sequence[Plan], candidate: str | None) -> list[Finding]:
    """Whether each run has the same triplets and specification as before; weights and code may have changed."""
    found = []
    for run, plan in zip(matrix, plans, strict=True):
        method = plan.spec.attack or plan.spec.certifier
        words = [*_data_changed(run, plan), *_spec_changed(run, plan, candidate)]
        head = f"{plan.spec.metric.shown} on {plan.spec.data}, {method}"
        sentence = (
            f"{head}: {'; '.join(words)}; old and new numbers cannot be compared: undo that, "
            "or accept it by bench check --update --reason TEXT."
            if words
            else f"{head}: data and specification are those of the baseline."
        )
        found.append(
            Finding(
                metric=plan.spec.metric.shown, what=f"specification of {method}", failed=bool(words), sentence=sentence
            )
        )
    return found


def _data_changed(run: BaselineRun, plan: Plan) -> list[str]:
    prints = run.spec["fingerprints"]
    # Before a run had an identity by part, its data had one hash, which says nothing of today's.
    before, now = prints.get("samples") if "metric" in prints else None, plan.spec.fingerprints["samples"]
    if before is not None:
        return [] if before == now else [f"the SHA-256 of the data was {before!s:.12} and is {now:.12}"]
    return [] if set(run.outcomes) == {entry.id for entry in plan.source.entries} else ["the triplets have other ids"]


def _spec_changed(run: BaselineRun, plan: Plan, candidate: str | None) -> list[str]:
    # eps_unit is a text for readers, which older baselines lack.
    ignored = {"eps_unit", *({"metric", _target(plan)} if candidate else ())}
    before, now = (
        {key: value for key, value in _flat(completed(spec)).items() if key not in ignored}
        for spec in (run.spec, json.loads(canonical_json(plan.spec.to_dict())))
    )
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return [f"{key} was {before.get(key)!r:.60} and is {now.get(key)!r:.60}" for key in changed]


def _target(plan: Plan) -> str:
    """The argument that names the file of weights, for a metric that takes one."""
    return f"arguments.metric.{next(iter(plan.spec.arguments['metric']), '')}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if key == "fingerprints":
            continue
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def audited(plans: Sequence[Plan], images: int, device: str) -> list[Finding]:
    """For each metric with sound certificates, a search for two images that it moves faster than was proved."""
    found = {}
    for plan in plans:
        name, metric = plan.spec.metric.shown, plan.metric
        if name in found or not plan.sound or not isinstance(metric, LipschitzMetric):
            continue
        source = plan.source.limited(images)
        audits = searched(metric, source, plan.spec.seed, device)
        bound, largest = metric.lipschitz, max(one.largest for one in audits)
        refuted = any(one.refuted for one in audits)
        verdict = "is exceeded, so no certificate of this metric holds" if refuted else "holds"
        sentence = (
            f"{name}: an audit from {len(source)} images of {plan.spec.data} found |g(a) - g(b)| / |a - b| = "
            f"{largest:.6g}; the proved bound of {bound:.6g} {verdict}."
        )
        found[name] = Finding(metric=name, what="audit", failed=refuted, sentence=sentence)
    return list(found.values())


def counted_alike(matrix: Sequence[BaselineRun], now: Sequence[BaselineRun]) -> list[Finding]:
    """A finding for each run of which other samples count than before, as its metric answers for other images."""
    found = []
    for old, new in zip(matrix, now, strict=True):
        if other := sorted(set(old.outcomes) ^ set(new.outcomes)):
            metric, data = new.spec["metric"], new.spec["data"]
            sentence = (
                f"{metric} on {data}: it answers for the images of {len(new.outcomes)} samples and did for "
                f"{len(old.outcomes)}, with a difference in {other[0]!r}, so the scores cannot be compared; accept "
                "that by bench check --update --reason TEXT."
            )
            found.append(Finding(metric=metric, what="samples that count", failed=True, sentence=sentence))
    return found


def rerun(plans: Sequence[Plan], runs: Path) -> tuple[list[Finding], list[BaselineRun]]:
    """The runs, taken from the folder where they are stored. A flip inside a sound radius stops them with a finding."""
    try:
        records = run_plans(plans, RunStore(runs), bars=samples_progress(show=True))
    except UnsoundError as error:
        # The plan that raised is the first without a record.
        return [Finding(metric=error.metric, what="invariant", failed=True, sentence=f"{error}.")], []
    return [], [run_of(record) for record in records]
