"""Words that the font of the figures can draw: a sign that it lacks is given by its number, as U+4E2D."""

from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar

from matplotlib.font_manager import FontProperties, findfont, get_font

T = TypeVar("T")


def legible(value: T) -> T:
    """The same block, with every text in it drawable. LaTeX writes signs that it lacks in the same way."""
    return _legible(value)  # type: ignore[no-any-return]


def _legible(value: Any) -> Any:
    if isinstance(value, str):
        return "".join(map(_sign, value))
    if isinstance(value, tuple):
        return tuple(map(_legible, value))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _legible(getattr(value, field.name)) for field in fields(value)})
    return value


@cache
def _sign(sign: str) -> str:
    if sign == "\n" or get_font(findfont(FontProperties())).get_char_index(ord(sign)):
        return sign
    return f"U+{ord(sign):04X}"
