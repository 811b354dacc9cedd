"""One score of two runs, value by value: the same samples before and now, and whether they must agree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from perceptbench.core.spec import Options
from perceptbench.results.gate.baseline import BaselineRun, metric_part
from perceptbench.results.gate.sample_outcome import ROUNDING, SampleOutcome
from perceptbench.results.record import threat_of
from perceptbench.results.references import both_sides
from perceptbench.results.rows import Kind, typed_option
from perceptbench.results.statistics.dyadic import Sides
from perceptbench.results.tasks.base import Measure, scores_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Values of n samples before and now: 1 and 0 for answers that stand or not, or distances.

    Args:
        exact: whether the values must be the same, since nothing that decides them has changed.
        close: samples whose answer may turn by rounding alone.
        clusters: of the samples, those that share a reference.
        sides: the photographs on both sides, where samples are pairs and their decisions stand or fall.
    """

    metric: str
    data: str
    task: str
    kind: Kind
    method: str
    threat: str
    eps: float | None
    measure: Measure
    names: tuple[str, ...]
    before: np.ndarray
    now: np.ndarray
    exact: bool
    close: np.ndarray
    clusters: tuple[str, ...]
    sides: Sides | None = None

    @property
    def of_pairs(self) -> bool:
        """Whether a test has to know the photographs on both sides."""
        return self.sides is not None

    @property
    def fall(self) -> np.ndarray:
        """By how much each value got worse; below zero where it got better."""
        return self.now - self.before if self.measure == "smaller" else self.before - self.now

    @property
    def lost(self) -> np.ndarray:
        """Samples that got worse by more than rounding."""
        return (self.fall > self._slack) & ~self.close

    @property
    def gained(self) -> np.ndarray:
        """Samples that got better by more than rounding."""
        return (-self.fall > self._slack) & ~self.close

    @property
    def _slack(self) -> np.ndarray:
        return np.zeros(len(self.names)) if self.measure == "stands" else ROUNDING * np.abs(self.before)

    def named(self, mask: np.ndarray) -> tuple[str, ...]:
        """The ids of some samples."""
        return tuple(name for name, chosen in zip(self.names, mask, strict=True) if chosen)


def columns(old: Sequence[BaselineRun], new: Sequence[BaselineRun]) -> list[Column]:
    """Every score of a matrix, each once: where two runs have the same one, that of more samples.

    Raises ValueError where two runs do not have the same samples and budgets.
    """
    found: dict[tuple[Any, ...], Column] = {}
    for before, now in zip(old, new, strict=True):
        for key, column in _of_run(before, now):
            if key not in found or len(found[key].names) < len(column.names):
                found[key] = column
    return list(found.values())


def _of_run(old: BaselineRun, new: BaselineRun) -> Iterator[tuple[tuple[Any, ...], Column]]:
    """The scores of one run under what makes them the same question: natural, then certified and attacked by eps."""
    spec = old.spec
    if set(old.outcomes) != set(new.outcomes) or list(spec["eps"]) != list(new.spec["eps"]):
        raise ValueError(f"the run of {spec['metric']} has other samples or budgets than in the baseline")
    kinds: tuple[tuple[Kind, str | None], ...] = (
        ("natural", ""), ("certificate", spec["certifier"]), ("attack", spec["attack"])
    )  # fmt: skip
    for kind, method in kinds:
        if method is None:
            continue
        for at, eps in enumerate([None] if kind == "natural" else spec["eps"]):
            named, threat = " ".join((method, *_options(spec, kind))).strip(), threat_of(spec) if eps else ""
            column = _column(old, new, kind, at, eps, named, threat)
            subject = spec["metric"], spec["data"], spec["task"]
            yield (*subject, kind, named, threat, eps, spec["seed"] if eps else None), column


def _column(
    old: BaselineRun, new: BaselineRun, kind: Kind, at: int, eps: float | None, method: str, threat: str
) -> Column:
    pairs = [(outcome, new.outcomes[name]) for name, outcome in old.outcomes.items()]
    measure = _measure(old, kind)
    before, now = (np.array([_value(pair[side], kind, at) for pair in pairs]) for side in (0, 1))
    names = tuple(old.outcomes)
    return Column(
        metric=new.spec["metric"], data=old.spec["data"], task=old.spec["task"],
        kind=kind, method=method, threat=threat, eps=eps,
        measure=measure, names=names, before=before, now=now, exact=_exact(old, new, kind),
        close=np.array([_close(outcome, kind, eps) for outcome, _ in pairs]),
        clusters=tuple(f"reference {new.references[name]}" if name in new.references else name for name in names),
        sides=Sides.of(*both_sides(new.references, new.others, names)) if new.others and measure == "stands" else None,
    )  # fmt: skip


def _value(outcome: SampleOutcome, kind: Kind, at: int) -> float:
    values = {"natural": (outcome.natural,), "certificate": outcome.certified, "attack": outcome.attacked}[kind]
    return (values or ())[at]


def _measure(run: BaselineRun, kind: Kind) -> Measure:
    measures: dict[Kind, Measure] = {"natural": run.natural, "certificate": "stands", "attack": run.attacked}
    return measures[kind]


def _exact(old: BaselineRun, new: BaselineRun, kind: Kind) -> bool:
    """Whether nothing has changed that decides these values.

    Clean answers and proofs are the same on every machine but for rounding. What is drawn or searched is the same only
    with the same random numbers and the same rounding, which a graphics card does not promise.
    """
    part = metric_part(old.spec["fingerprints"])
    if not part or part != metric_part(new.spec["fingerprints"]):
        return False
    if kind == "natural" and (old.natural != "stands" or all(one.margin is not None for one in old.outcomes.values())):
        return True
    if kind == "certificate" and old.confidence == new.confidence == 1:
        return all(one.radius is not None for one in old.outcomes.values())
    same_machine = old.machine == new.machine and old.machine.get("device") == "cpu"
    return same_machine and old.spec["seed"] == new.spec["seed"]


def _close(outcome: SampleOutcome, kind: Kind, eps: float | None) -> bool:
    """Whether a clean answer or a radius is so near the point where it turns that another machine may turn it."""
    if kind == "natural":
        return outcome.margin is not None and outcome.margin < ROUNDING
    if kind == "certificate" and eps is not None:
        return outcome.radius is not None and abs(outcome.radius - eps) < ROUNDING * eps
    return False


def _options(spec: Mapping[str, Any], kind: Kind) -> list[str]:
    """The options, as typed, that make it another question."""
    asked = {
        "natural": ("quantize",),
        "certificate": ("quantize", "move", "eps_left", "eps_right"),
        "attack": tuple(key for key in Options().options() if key not in ("seed", "limit", "skip_certified")),
    }
    defaults = Options().options()
    named = [typed_option(key, spec[key]) for key in asked[kind] if spec[key] != defaults[key]]
    goals = scores_of(spec["task"]).goals if kind == "attack" else ()
    return [f"--goal {spec['goal']}", *named] if len(goals) > 1 else named
