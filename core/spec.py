"""What users type: names with arguments, comma lists, budgets. No torch here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

from perceptbench.core.errors import UserError

Scalar: TypeAlias = str | int | float | bool | None
Norm: TypeAlias = Literal["l2", "linf"]

_REF = re.compile(r"(?P<name>[^:(]+)(?::(?P<target>.*?))?(?:\((?P<args>[^()]*)\))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Ref:
    """A registered name and its arguments: `l2-pgd(steps=100)`, `lipsim:FILE`, `nights:PATH@test`.

    `target` is the text after the colon; a component takes it as its first parameter.
    """

    name: str
    target: str | None = None
    args: tuple[tuple[str, Scalar], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Ref":
        """Read one name as a user types it. Raises UserError for text that has not this form."""
        match = _REF.fullmatch(text.strip())
        if match is None:
            raise UserError(f"expected a name like 'l2-pgd(steps=50)', got {text!r}")
        pairs = [part for part in (match["args"] or "").split(",") if part.strip()]
        return cls(match["name"].strip(), match["target"], tuple(_argument(p, text) for p in pairs))

    def __str__(self) -> str:
        target = "" if self.target is None else f":{self.target}"
        args = ",".join(f"{key}={_show(value)}" for key, value in self.args)
        return f"{self.name}{target}" + (f"({args})" if args else "")


def _argument(text: str, whole: str) -> tuple[str, Scalar]:
    key, equals, value = text.partition("=")
    if not equals:
        # A bare word switches a flag on: l2-aa(full).
        return key.strip(), True
    if not key.strip().isidentifier():
        raise UserError(f"expected key=value between the parentheses of {whole!r}, got {text!r}")
    return key.strip(), _scalar(value.strip())


def _scalar(text: str) -> Scalar:
    words: dict[str, Scalar] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for convert in (int, float, lambda t: float(Fraction(t))):
        try:
            return convert(text)
        except (ValueError, ZeroDivisionError, OverflowError):
            continue
    return text


def _show(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def split_list(texts: Sequence[str]) -> list[str]:
    """Split comma lists, but not inside parentheses: `['a(x=1,y=2),b']` gives two names."""
    parts = [part for text in texts for part in re.split(r",(?![^(]*\))", text)]
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


def parse_eps(texts: Sequence[str]) -> tuple[float, ...]:
    """Budgets as typed (`2.0`, `36/255`, `0.5,1,2`), sorted, each once.

    Raises UserError where one is not a positive finite number.
    """
    values = set()
    for text in split_list(texts):
        try:
            value = float(Fraction(text))
        except (ValueError, ZeroDivisionError, OverflowError):
            raise UserError(f"--eps wants numbers like 2.0 or 36/255, got {text!r}") from None
        if value <= 0:
            raise UserError(f"--eps wants positive budgets, got {text!r}")
        values.add(value)
    return tuple(sorted(values))


def parse_budget(text: str | None, option: str) -> float | None:
    """One budget, 0 allowed; None for None. Raises UserError for anything else."""
    if text is None:
        return None
    try:
        value = float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise UserError(f"{option} wants a number like 2.0 or 36/255, got {text!r}") from None
    if value < 0:
        raise UserError(f"{option} wants a budget of at least 0, got {text!r}")
    return value
