"""The flags of one run: what is looked at before its first chunk, and what is known after its last."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from perceptbench.attacks.adaptive import SIGNS, Adaptive
from perceptbench.bench.flags.asked_again import AskedAgain
from perceptbench.bench.flags.base import Observed, facts, measured, signs
from perceptbench.bench.flags.introduction import introduce
from perceptbench.bench.flags.search_counts import SearchCounts
from perceptbench.bench.plan import Plan
from perceptbench.core.errors import warn
from perceptbench.results.record import Record
from perceptbench.results.rows import rows_of
from perceptbench.results.tasks.base import scores_of
from perceptbench.tasks.base import State

_SAID: set[tuple[str, str]] = set()
"""(metric, flag) of what was said in this process: several runs of one metric say it once."""


@dataclass(frozen=True)
class RunFlags:
    """The evidence of a run before its first chunk, and the values that follow from it."""

    before: Observed
    values: dict[str, float]
    signs: str = ""
    """What an attack that chooses its parts may know of the metric; '' where none runs, and where nothing was seen."""

    @classmethod
    def of(cls, plan: Plan, state: State) -> "RunFlags":
        """Ask the metric again on a few samples, where the run attacks or the metric is from outside this project.

        What a metric from outside is, and what is wrong with it, is said at once on standard error.
        """
        probe = None
        if plan.attack is not None or plan.from_outside:
            probe = AskedAgain.of(
                plan.task, plan.metric, plan.source, plan.aim, state, plan.request.where,
                seed=plan.spec.seed, differentiable=_climbs(plan),
            )  # fmt: skip
        missing = plan.metric.differentiable and bool(plan.left_out)
        before = Observed(probe=probe, gradient_missing=missing)
        values = measured(before)
        if plan.from_outside:
            introduce(plan, values)
            for one in facts(values)["flags"]:
                if (said := (plan.spec.metric.shown, one["flag"])) not in _SAID:
                    _SAID.add(said)
                    warn(f"{plan.spec.metric.shown}: {one['sentence']} (flag {one['flag']})")
        seen = signs_of(before, values) if isinstance(plan.attack, Adaptive) else ""
        # The probe has answered, and its images can go.
        return cls(replace(before, probe=None), values, seen)

    def after(self, plan: Plan, record: Record, search: Sequence[SearchCounts]) -> Record:
        """The record with its flags among the facts."""
        natural, chance = rows_of(record)[0], scores_of(record.task).chance
        evidence = replace(
            self.before,
            search=SearchCounts.sum(search),
            flips=Counter(part for part in record.samples["broken_by"] if part),
            query_parts=[name for name, member, _ in plan.parts if not member.needs_gradient],
            gradient_parts=[name for name, member, _ in plan.parts if member.needs_gradient],
            natural=natural.high if chance is not None and natural.unit == "percent" else None,
        )
        return replace(record, facts={**record.facts, **facts({**self.values, **measured(evidence)})})


def _climbs(plan: Plan) -> bool:
    return any(member.needs_gradient for _, member, _ in plan.parts)


def told_of(plan: Plan, batch: Any, state: State) -> State:
    """The state with the signs by which an adaptive attack chooses, from a batch that is at hand."""
    if not isinstance(plan.attack, Adaptive):
        return state
    asked = AskedAgain.near(
        plan.task, plan.metric, batch, plan.aim, state, seed=plan.spec.seed, differentiable=_climbs(plan)
    )
    missing = plan.metric.differentiable and bool(plan.left_out)
    before = Observed(probe=asked, gradient_missing=missing)
    return {**state, SIGNS: signs_of(before, measured(before))}


def signs_of(before: Observed, values: Mapping[str, float]) -> str:
    """The signs of masking among what was looked at before the first chunk, gradients of the probe included."""
    searched = Observed() if before.probe is None else Observed(search=before.probe.gradients)
    return signs({**measured(searched), **values})
