"""Flags of distrust as a record holds them: what was seen that speaks against a number. Reading them needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KINDS = ("natural", "attack", "certificate")
"""Kinds of rows that a flag may mark."""


@dataclass(frozen=True, slots=True)
class RaisedFlag:
    """A flag whose threshold was passed.

    Args:
        flag: its name, as docs/flags.md has it.
        measured, threshold: the number that was found, and the one that it may not pass.
        sentence: what was seen, in one sentence.
    """

    flag: str
    measured: float
    threshold: float
    sentence: str


def raised(facts: Mapping[str, Any], kind: str) -> tuple[RaisedFlag, ...]:
    """The flags that mark rows of a kind, from the facts of a run. A run made before there were flags has none."""
    return tuple(
        RaisedFlag(str(one["flag"]), float(one["measured"]), float(one["threshold"]), str(one["sentence"]))
        for one in facts.get("flags", ())
        if kind in one.get("marks", ())
    )
