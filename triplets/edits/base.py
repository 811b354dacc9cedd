"""The seam of edits: a name, a strength, and what may vary between two photographs that are edited alike.

@edit("jpeg", source="ITU-T T.81")
@dataclass(frozen=True)
class Jpeg(Edit):
    strengths: ClassVar[tuple[float, ...]] = (95, 75, 30)
    range: ClassVar[tuple[float, float]] = (1, 95)
    def __call__(self, x, strength, draws): ...
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.core.registry import Registry
from perceptbench.triplets.constructed.distortions import Pixels
from perceptbench.triplets.constructed.named_draws import NamedDraws
from perceptbench.triplets.csv_rows import plain_number

MOST_STRENGTHS = 20


class Edit:
    """One edit. The first line of its docstring says what a strength is."""

    strengths: ClassVar[tuple[float, ...]]
    """The default ones, from weak to strong."""
    range: ClassVar[tuple[float, float]]
    """The least and the largest strength that makes sense."""
    of_copies: ClassVar[bool] = True
    """Whether it is one of the edits that copies meet where none is named."""

    def __call__(self, x: Pixels, strength: float, draws: NamedDraws) -> Pixels:
        """The image after the edit, in the same size.

        Args:
            x: (h, w, 3) bytes.
            strength: within `range`.
            draws: what varies between pairs, such as a direction: fixed for each pair.
        """
        raise NotImplementedError


edit: Registry[Edit] = Registry("edit", "perceptbench.triplets.edits", of=Edit)


@dataclass(frozen=True, slots=True)
class Chosen:
    """An edit at one strength."""

    name: str
    strength: float

    def __str__(self) -> str:
        return f"{self.name} {self.strength:g}"


def edited(x: Pixels, name: str, strength: float, draws: NamedDraws) -> Pixels:
    """The image after one edit. Raises UserError for an unknown name."""
    return edit.build(Ref(name))(x, strength, draws)


def chosen(words: Sequence[str]) -> list[Chosen]:
    """The edits that some words ask for: `jpeg`, which has the default strengths, or `jpeg:95,75,30`.

    No words mean every edit of copies. Raises UserError for an unknown name, a strength that makes no sense, and an
    edit that is asked for twice.
    """
    found: list[Chosen] = []
    for word in words or [name for name in edit.names() if edit.build(Ref(name)).of_copies]:
        name, colon, rest = word.partition(":")
        made = edit.build(Ref.parse(name))
        strengths = [_strength(name, made, text) for text in rest.split(",")] if colon else list(made.strengths)
        if len(strengths) > MOST_STRENGTHS:
            raise UserError(f"--edit {name} takes at most {MOST_STRENGTHS} strengths, got {len(strengths)}; name fewer")
        found += [Chosen(name, strength) for strength in strengths]
    twice = next((one for one in found if found.count(one) > 1), None)
    if twice is not None:
        raise UserError(f"--edit wants each edit and strength once, got {twice} twice; leave one out")
    return found


def _strength(name: str, made: Edit, text: str) -> float:
    low, high = made.range
    try:
        value = plain_number(text.strip())
    except ValueError:
        raise UserError(f"--edit {name} wants numbers behind the colon, as {name}:{low:g}, got {text[:40]!r}") from None
    if not low <= value <= high:
        raise UserError(f"--edit {name} wants strengths from {low:g} to {high:g}, got {text[:40].strip()}")
    return value
