"""The strongest known combination of attacks for a metric, a task and a threat, chosen by what each of them declares.

What is chosen from is what is registered, attacks of plug-ins included; nothing here knows one by name.

    in a ball               the ensembles of its norm (l2-aa), then what solves metrics of this kind
    in another set          every attack without a norm that fills a budget, with restarts
    without a gradient      their parts that need none, all query attacks with more queries, and gradients estimated
                            from losses; those of a surrogate besides, where there is one
    where gradients are masked     the same, after all parts along gradients that go straight through steps
    where the metric draws and does not say so     all parts along gradients averaged over draws
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from perceptbench.attacks.adaptive import Adaptive, Situation
from perceptbench.attacks.base import Attack, Ensemble, attack
from perceptbench.attacks.other_gradients.along import Along
from perceptbench.attacks.other_gradients.averaged import Averaged
from perceptbench.attacks.other_gradients.by_differences import ByDifferences
from perceptbench.attacks.other_gradients.straight_through import StraightThrough
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref

Part = tuple[str, Attack, int]
"""(name, attack, number of starts)"""


@attack(
    "auto", source="this repository: docs/attacks.md; arXiv:1902.06705, section 5, for what a defence must withstand"
)
@dataclass(frozen=True)
class Auto(Adaptive):
    """The strongest known combination for the metric, the task and the threat; the row lists its parts.

    Args:
        starts: of parts that are there for the sake of masked or random gradients, and of every part in a set that is
            no ball.
        steps: of every part that takes steps.
        queries: of query attacks that are there because gradients are missing or masked.
        draws: of a gradient that is estimated from losses.
    """

    starts: int = 3
    steps: int = 100
    queries: int = 5000
    draws: int = 16

    def __post_init__(self) -> None:
        if given := [f.name for f in fields(Auto) if getattr(self, f.name) < 1]:
            raise UserError(f"auto wants numbers of at least 1, got {given[0]}={getattr(self, given[0])}")

    def on(self, situation: Situation) -> "Combination":
        return Combination(self, situation)

    def parts(self) -> Sequence[Part]:
        return self.on(self.situation).parts()

    def members(self) -> Sequence[object]:
        return [*(made for _, made in _registered()), StraightThrough(), ByDifferences(), Averaged()]


@dataclass(frozen=True)
class Combination(Adaptive):
    """The parts of `auto` for one situation."""

    auto: Auto
    known: Situation

    @property
    def situation(self) -> Situation:
        return self.known

    def on(self, situation: Situation) -> "Combination":
        return self.auto.on(situation)

    def parts(self) -> Sequence[Part]:
        """The plain parts come first, so that `broken_by` says what the others have added."""
        base = [part for part in self._base() if self._serves(part[1])]
        return (*base, *_new(base, self._added(base)))

    def left_out(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, member, _ in self._base()
            if member.needs_gradient and self._reaches(member) and not self._serves(member)
        )

    def members(self) -> Sequence[object]:
        return self.auto.members()

    def _base(self) -> Iterator[Part]:
        """The plain parts, whether they can run or not."""
        mine = [(name, made) for name, made in _registered() if made.norm == self.known.norm]
        for name, made in mine:
            if isinstance(made, Attack) and made.solves and isinstance(self.known.surrogate, made.solves):
                yield name, made, 1
        if self.known.norm is None or self.known.endless:
            for name, single in self._alone():
                if not single.minimal and not single.flips_only:
                    yield name, self._numbered(single), self.auto.starts if single.random else 1
            return
        for _, made in mine:
            if not isinstance(made, Attack):
                yield from ((part, self._numbered(member), n) for part, member, n in made.parts() if n)

    def _alone(self) -> Iterator[tuple[str, Attack]]:
        """Attacks of this norm that are no ensembles, solve no metrics of one kind and move no embeddings."""
        for name, made in _registered():
            if isinstance(made, Attack) and made.norm == self.known.norm and not made.solves and not made.by_embedding:
                yield name, made

    def _added(self, base: Sequence[Part]) -> Iterator[Part]:
        """What missing, masked or random gradients call for."""
        starts, draws = self.auto.starts, self.auto.draws
        climbing = [part for part in base if part[1].needs_gradient and part[1].solves is None]
        if self.known.masked:
            yield from _along(climbing, "straight-through", StraightThrough(), starts)
        if self.known.random:
            yield from _along(climbing, "averaged", Averaged(), starts)
        if self.known.gradient and not self.known.masked:
            return
        for name, made in self._alone():
            if not made.needs_gradient and self._serves(made):
                yield f"{name} longer", self._numbered(made, queries=self.auto.queries), 1
        estimating = [
            (name, self._numbered(made), 1)
            for name, made in self._alone()
            if made.needs_gradient and made.random and not made.minimal
        ]
        yield from _along(estimating[:1], "differences", ByDifferences(draws), 1)

    def _serves(self, member: Attack) -> bool:
        """Whether a part can run here."""
        climbs = self.known.gradient or self.known.surrogate is not None or not member.needs_gradient
        return self._reaches(member) and climbs

    def _reaches(self, member: Attack) -> bool:
        """Whether its goal is that of the run: what looks for a boundary has none where the goal is never reached."""
        return not self.known.endless or not (member.minimal or member.flips_only)

    def _numbered(self, member: Attack, queries: int | None = None) -> Attack:
        """The same attack with our steps, and with so many queries where they are given."""
        numbers = {"steps": self.auto.steps, **({} if queries is None else {"queries": queries})}
        made: Any = member
        known: set[str] = {f.name for f in fields(made)} if is_dataclass(member) else set()
        taken = {name: value for name, value in numbers.items() if name in known}
        return replace(made, **taken) if taken else member


def _registered() -> Iterator[tuple[str, Attack | Ensemble]]:
    """Every attack that says all of itself by its name, whose package is here and that chooses nothing, by name."""
    for name in attack.names():
        if not attack.inputs(name) and not attack.card(name).missing:
            made = None if _chooses(name) else attack.build(Ref(name))
            if made is not None:
                yield name, made


def _chooses(name: str) -> bool:
    factory = attack.factory(name)
    return isinstance(factory, type) and issubclass(factory, Adaptive)


def _along(parts: Sequence[Part], words: str, by: Any, starts: int) -> Iterator[Part]:
    """Parts along other gradients; with more starts where a start is drawn."""
    for name, member, n in parts:
        yield f"{name} {words}", Along(member, by), max(n, starts) if member.random else 1


def _new(base: Sequence[Part], added: Iterator[Part]) -> list[Part]:
    """Parts whose very attack is not among the base."""
    known = [member for _, member, _ in base]
    return [part for part in added if part[1] not in known]
