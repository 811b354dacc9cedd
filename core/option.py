"""What a field of a dataclass states about its option on the command line. No typer, no torch.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Stage:
        steps: int = field(default=100, metadata=option("Optimiser steps.", min=0))

Name, type and default of the option are those of the field. `bench/commands/options.py` makes commands of such classes.
A field without metadata has no option.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass
from pathlib import Path
from typing import Any

from perceptbench.core.errors import UserError
from perceptbench.core.number import MOST
from perceptbench.core.printable import possible_in_names

_KEY = "perceptbench.option"
_LONGEST, _LONGEST_PATH, _LONGEST_NAME = 100_000, 4000, 240
"""Systems take paths of 4096 bytes and names of 255; files are written under a longer name at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option.

    Args:
        help: one short sentence.
        name: without dashes; None for that of the field.
        section: the heading it stands under in the help; None for that of the field it is nested in.
        min: smallest value that is accepted; None for no bound but that of `max` with a minus.
        max: largest value that is accepted.
        parse: from the text that was typed (of a tuple, from all texts) to the value of the field. Raises UserError.
        named: values that go by a name: what is typed is one of these names.
        positional: an argument without a name.
        required: whether it must be typed though the field has a default.
    """

    help: str
    name: str | None = None
    section: str | None = None
    min: int | None = None
    max: int = MOST
    parse: Callable[[Any], Any] | None = None
    named: Mapping[str, Any] | None = None
    positional: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class Follows:
    """The value of a field for which nothing was typed.

    Args:
        words: the rule in words, for the help: "a sixth of --lr".
        rule: from the whole request to the value.
    """

    words: str
    rule: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """The options of a field that is itself a dataclass: those of its own fields.

    Args:
        section: the heading of those that name none.
        names: other names for the options of some fields, at any depth; two fields with one name share an option.
        follows: rules for some fields, at any depth. Such a field has an option only where it is in `names`.
    """

    section: str | None
    names: Mapping[str, str]
    follows: Mapping[str, Follows]


@dataclass(frozen=True, slots=True)
class Declared:
    """An option that a registered component declares (a tau, a rate) and that is no field of a request.

    Args:
        type: of its value: str, int, float or bool.
        default: what the component takes where nothing is typed; shown in the help.
    """

    name: str
    type: type
    default: str | int | float | bool | None
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A mapping whose keys are the names of declared options: it holds those that were typed."""

    section: str
    declared: Callable[[], Sequence[Declared]]


def checked(value: Any, name: str, said: Option) -> Any:
    """A value that was typed for an option, or each of several. Raises UserError, naming it, for one that is

    a number out of the bounds, a text without letters, or a path that no system takes.
    """
    if isinstance(value, list | tuple):
        for one in value:
            checked(one, name, said)
    elif isinstance(value, str | Path):
        as_path(str(value), name) if isinstance(value, Path) else _text(value, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        least = -said.max if said.min is None else said.min
        if not least <= value <= said.max:
            raise UserError(f"{name} wants a number from {least} to {said.max}, got {value:.6g}")
    return value


def _text(value: str, name: str) -> None:
    if not value.strip():
        raise UserError(f"{name} wants a value, got a text without letters; leave the option out")
    if len(value) > _LONGEST or not possible_in_names(value):
        raise UserError(f"{name} wants at most {_LONGEST} letters that a file name may have, got {value[:80]!r}")


def as_path(text: str, name: str) -> Path:
    """A path as it was typed. Raises UserError, naming the option, for one that is empty or that no system takes."""
    if not text.strip():
        raise UserError(f"{name} wants a path, got an empty one; write . for the folder you are in")
    _text(text, name)
    if len(os.fsencode(text)) > _LONGEST_PATH or any(
        len(os.fsencode(part)) > _LONGEST_NAME for part in text.split("/")
    ):
        raise UserError(
            f"{name} wants a path of at most {_LONGEST_PATH} bytes and {_LONGEST_NAME} a folder, got {text[:80]!r}..."
        )
    return Path(text)


def option(help: str, **more: Any) -> Mapping[str, Option]:
    """The metadata of a field with one option; see `Option` for the arguments."""
    return {_KEY: Option(help=help, **more)}


def nested(
    section: str | None = None,
    names: Mapping[str, str] | None = None,
    follows: Mapping[str, Follows] | None = None,
) -> Mapping[str, Nested]:
    """The metadata of a field that is a dataclass with options."""
    return {_KEY: Nested(section=section, names=names or {}, follows=follows or {})}


def collected(section: str, declared: Callable[[], Sequence[Declared]]) -> Mapping[str, Collected]:
    """The metadata of a mapping of declared options; `declared` is called for every help and parse: keep it fast."""
    return {_KEY: Collected(section=section, declared=declared)}


def says(field: Field[Any]) -> Option | Nested | Collected | None:
    """What a field states; None where it has no option."""
    found: Option | Nested | Collected | None = field.metadata.get(_KEY)
    return found
