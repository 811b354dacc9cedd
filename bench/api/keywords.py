"""Keyword arguments from the fields of a request: what `bench run --seed 1` takes, a function takes as seed=1."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING
from types import NoneType
from typing import Any, TypeVar, get_args

from perceptbench.bench.api.arguments import brief, number_of
from perceptbench.bench.request import Held, Request
from perceptbench.bench.slots import Slot, identifier, requests_of, slots_of
from perceptbench.core.errors import UserError

F = TypeVar("F", bound=Callable[..., Any])


def request_of(function: str, **given: Any) -> Request:
    """A request from keyword arguments; what is not given keeps its default.

    Args:
        function: the name of the function that they were given to.
        given: values as Python has them (numbers, lists), or words as they are typed ("0.5,1").

    Raises UserError for an option that there is none of, and for a value of the wrong type.
    """
    slots = _slots()
    for name in given:
        if name not in slots:
            close = difflib.get_close_matches(name, slots, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(slots)}"
            raise UserError(f"pb.{function} has no option {name}; {hint}")
    words = {name: _typed(slots[name], value) for name, value in given.items()}
    made: Request = requests_of(_REQUEST, list(slots.values()), words)["request"]
    return made


def options_of(request: Request) -> dict[str, Any]:
    """The keyword arguments that make a request."""
    found = {}
    for name, slot in _slots().items():
        value = getattr(request, slot.path[-1])
        if slot.key is None or slot.key in value:
            found[name] = value if slot.key is None else value[slot.key]
    return found


def with_options(without: Sequence[str] = ()) -> Callable[[F], F]:
    """Give a function with `**options` a signature that names every option of a request, for help and completion.

    Args:
        without: options that this function has none of.
    """

    def signed(function: F) -> F:
        own = inspect.signature(function)
        named = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        known = {*(one.name for one in named), *without}
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_shown(slot), annotation=slot.type)
            for name, slot in _slots().items()
            if name not in known
        ]
        function.__signature__ = own.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
        return function

    return signed


_REQUEST: Mapping[str, type] = {"request": Request}


def _slots() -> dict[str, Slot]:
    return {identifier(slot.name): slot for slot in slots_of(_REQUEST) if slot.name is not None}


def _shown(slot: Slot) -> Any:
    if slot.default is MISSING:
        return None
    return slot.default[0] if slot.many and len(slot.default) == 1 else slot.default


def _typed(slot: Slot, value: Any) -> Any:
    """A value in the form in which it would be typed. Raises UserError for one of the wrong type."""
    value = value.tolist() if hasattr(value, "tolist") else value
    name = identifier(str(slot.name))
    if slot.many:
        items = [value] if isinstance(value, str | Held) or not isinstance(value, Iterable) else list(value)
        items = ["none"] if value is None and slot.option.parse else [one for one in items if one is not None]
        return [one if isinstance(one, Held) else _text(one, name) for one in items]
    if value is None and slot.default is not None and NoneType not in get_args(slot.type):
        raise UserError(f"{name} wants a value, got None; leave it out for {slot.default!r}")
    if value is None or slot.option.parse is not None:
        return None if value is None else _text(value, name)
    kinds = tuple(kind for kind in get_args(slot.type) or (slot.type,) if kind is not NoneType)
    whole = (
        number_of(value, name)
        if kinds == (float,) and isinstance(value, int) and not isinstance(value, bool)
        else value
    )
    if not isinstance(whole, kinds) or (isinstance(whole, bool) and bool not in kinds):
        words = " or ".join(kind.__name__ for kind in kinds)
        raise UserError(f"{name} wants {words}, got {brief(value)}")
    return whole


def _text(value: Any, name: str) -> str:
    """A value as it would be typed. Raises UserError for a number that is too long to be written."""
    try:
        return str(value)
    except ValueError:
        raise UserError(f"{name} wants a shorter value, got {brief(value)}") from None
