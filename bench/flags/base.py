"""What a flag is, and what it may look at."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from perceptbench.bench.flags.asked_again import AskedAgain
from perceptbench.bench.flags.search_counts import SearchCounts
from perceptbench.core.errors import LeftOutWarning, UserError
from perceptbench.core.ref import Ref
from perceptbench.core.registry import Registry
from perceptbench.results.flags import KINDS


@dataclass(frozen=True)
class Observed:
    """What is known of a metric and of a run. What is not known is None or empty, and no flag is raised for it.

    Args:
        probe: some samples on which the metric is asked again; None where that was not wanted.
        search: what was counted in the passes of the attack.
        gradient_missing: whether the metric says that it has a gradient and gives none.
        flips: the number of flips by the part of the attack that found them.
        query_parts: the parts that ran and need no gradient.
        gradient_parts: the parts that ran and need one.
        natural: upper end of the interval of the clean score in percent; None where chance has no score.
    """

    probe: AskedAgain | None = None
    search: SearchCounts = field(default_factory=SearchCounts)
    gradient_missing: bool = False
    flips: Mapping[str, int] = field(default_factory=dict)
    query_parts: Sequence[str] = ()
    gradient_parts: Sequence[str] = ()
    natural: float | None = None


class Flag:
    """A sign that a number is not to be trusted. Subclasses are registered with `@flag(name)`."""

    name: ClassVar[str]
    threshold: ClassVar[float]
    """From this value on (exclusive) it is raised."""
    below: ClassVar[bool] = False
    """Whether it is raised below the threshold, and not above it."""
    marks: ClassVar[tuple[str, ...]] = ("attack",)
    """Kinds of rows whose numbers it marks."""
    sign: ClassVar[str] = ""
    """What it tells an attack that chooses its parts: `masked` or `random` (attacks/adaptive.py); '' for nothing."""

    def measure(self, evidence: Observed) -> float | None:
        """The number that is compared with the threshold; None where it cannot be known."""
        raise NotImplementedError

    def sentence(self, measured: float) -> str:
        """What was seen, for readers of a table."""
        raise NotImplementedError

    def raised(self, measured: float) -> bool:
        """Whether this value passes the threshold."""
        return measured < self.threshold if self.below else measured > self.threshold


def percent(share: float) -> str:
    """A share in words: `0.12 %`, `37 %`."""
    return f"{100 * share:.0f} %" if share > 0.1 else f"{100 * share:.2g} %"


flag: Registry[Flag] = Registry("flag", "perceptbench.bench.flags", of=Flag)


def all_flags() -> list[Flag]:
    """Every flag, by name. One of a plug-in that cannot be made is left out, with a warning."""
    made = []
    for name in flag.names():
        try:
            made.append(flag.build(Ref(name)))
        except UserError as error:
            warnings.warn(f"left out the flag {name}: {error}", LeftOutWarning, stacklevel=2)
    return made


def measured(evidence: Observed) -> dict[str, float]:
    """The value of every flag that can be known, by name."""
    found = {one.name: one.measure(evidence) for one in all_flags()}
    return {name: float(value) for name, value in found.items() if value is not None}


def signs(values: Mapping[str, float]) -> str:
    """What the raised flags tell an attack that chooses its parts, each sign once, in words."""
    raised = [one.sign for one in all_flags() if one.sign and one.name in values and one.raised(values[one.name])]
    return " ".join(sorted(set(raised)))


def facts(values: Mapping[str, float]) -> dict[str, Any]:
    """`flags` and `flags_measured`, as a record holds them."""
    raised = [
        {
            "flag": one.name, "measured": values[one.name], "threshold": one.threshold,
            "sentence": one.sentence(values[one.name]), "marks": [kind for kind in KINDS if kind in one.marks],
        }
        for one in all_flags()
        if one.name in values and one.raised(values[one.name])
    ]  # fmt: skip
    return {"flags": raised, "flags_measured": dict(values)}
