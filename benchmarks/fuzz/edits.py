"""Hypothesis strategies for changes of bytes, of pieces that make up a file, and of JSON values."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

Bytes = st.SearchStrategy[bytes]
Join = Callable[[Sequence[bytes]], bytes]

NUMBERS = (0, 1, 2, 3, 4, 8, 16, 127, 128, 255, 256, 32767, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
"""Where counters and sizes of fields overflow."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x", "a" * 300,
    "nan", "1", "\ud800", "../x", "\x00", [], {}, [[]], [1, "x"], {"": None},
)  # fmt: skip
"""What stands where something else is expected."""


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Some bytes overwritten, removed, put in or repeated, or the end cut off, at one to three places."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 8))
        kind = draw(st.sampled_from(["cut", "overwrite", "remove", "insert", "repeat"]))
        piece, after = content[at : at + length], content[at + length :]
        if kind == "cut":
            piece, after = b"", b""
        elif kind == "overwrite":
            piece = draw(st.binary(min_size=len(piece), max_size=len(piece)))
        elif kind == "remove":
            piece = b""
        elif kind == "insert":
            piece += draw(st.binary(max_size=8))
        else:
            piece *= draw(st.integers(2, 300))
        content = content[:at] + piece + after
    return content


@st.composite
def edited(draw: st.DrawFn, pieces: Sequence[bytes], fresh: Bytes) -> list[bytes]:
    """Pieces dropped, repeated, exchanged, damaged or joined by new ones, at one to three places."""
    made = list(pieces)
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["damage", "fresh", "drop", "repeat", "exchange"]))
        at = draw(st.integers(0, max(len(made) - 1, 0)))
        if kind == "fresh" or not made:
            made.insert(at, draw(fresh))
        elif kind == "drop":
            del made[at]
        elif kind == "repeat":
            made.insert(at, made[at])
        elif kind == "exchange":
            other = draw(st.integers(0, len(made) - 1))
            made[at], made[other] = made[other], made[at]
        else:
            made[at] = draw(damaged(made[at]))
    return made


@st.composite
def edited_value(draw: st.DrawFn, value: Any) -> Any:
    """A JSON value with one to three of its parts replaced, removed or added."""
    made = json.loads(json.dumps(value))
    for _ in range(draw(st.integers(1, 3))):
        made = _edited_once(draw, made)
    return made


def _edited_once(draw: st.DrawFn, value: Any) -> Any:
    """Go down to a drawn depth, then change what is there."""
    if isinstance(value, dict) and value and draw(st.integers(0, 7)):
        key = draw(st.sampled_from(sorted(value)))
        kind = draw(st.sampled_from(["inside", "inside", "replace", "remove", "add"]))
        if kind == "remove":
            return {name: one for name, one in value.items() if name != key}
        if kind == "add":
            return {**value, draw(st.text(max_size=3)): draw(st.sampled_from(VALUES))}
        return {**value, key: _edited_once(draw, value[key]) if kind == "inside" else draw(st.sampled_from(VALUES))}
    if isinstance(value, list) and value and draw(st.integers(0, 7)):
        at = draw(st.integers(0, len(value) - 1))
        kind = draw(st.sampled_from(["inside", "replace", "remove", "repeat"]))
        middle = {"remove": [], "repeat": [value[at], value[at]]}.get(kind)
        if middle is None:
            middle = [_edited_once(draw, value[at]) if kind == "inside" else draw(st.sampled_from(VALUES))]
        return [*value[:at], *middle, *value[at + 1 :]]
    return draw(st.sampled_from(VALUES))


def as_text(value: Any) -> bytes:
    """A JSON value as a program with few scruples writes it: NaN and lone surrogates included."""
    return json.dumps(value).encode()


DEEP = st.integers(100, 100_000).map(lambda n: b"[" * n + b"]" * n)
"""Brackets within brackets."""
LONG = st.integers(4_000, 10_000).map(lambda n: b'{"schema": ' + b"9" * n + b"}")
"""A number with more digits than Python reads."""


def json_text(value: Any) -> Bytes:
    """Texts near that of a JSON value."""
    text = as_text(value)
    return st.one_of(edited_value(value).map(as_text), edited_value(value).map(as_text), damaged(text), DEEP, LONG)
