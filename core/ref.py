"""What users type: names with arguments, comma lists, budgets. No torch here."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from perceptbench.core.errors import UserError
from perceptbench.core.number import number
from perceptbench.core.printable import possible_in_names

Scalar: TypeAlias = str | int | float | bool | None
Norm: TypeAlias = Literal["l2", "linf"]


MOST_EPS, _LEAST_EPS, _MOST_BUDGETS = 1e6, 1e-12, 1000
_LONGEST = 8192
"""Letters of a name with its arguments: twice the longest path of a file."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A registered name and its arguments: `l2-pgd(steps=100)`, `lipsim:FILE`, `nights:PATH@test`.

    `target` is the text after the colon; a component takes it as its first parameter. `alias` is what stands before an
    equals sign, `Ours=py:mine.py:Mine`: what tables, figures and files call it.
    """

    name: str
    target: str | None = None
    args: tuple[tuple[str, Scalar], ...] = ()
    alias: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Ref":
        """Read one name as a user types it. Raises UserError for text that has not this form."""
        if len(text) > _LONGEST or not possible_in_names(text):
            raise UserError(f"expected a name of at most {_LONGEST} letters that a file may have, got {text[:80]!r}")
        alias, rest = _alias_of(text)
        head, inside = _arguments_of(rest.strip())
        name, colon, target = head.partition(":")
        if not name.strip() or "(" in name:
            raise UserError(f"expected a name like 'l2-pgd(steps=50)', got {text!r}")
        pairs = [part for part in _pieces(inside) if part.strip()]
        args = tuple(_argument(part, text) for part in pairs)
        if repeated := sorted({key for key, _ in args if [one for one, _ in args].count(key) > 1}):
            raise UserError(f"expected each argument once, got {repeated[0]} twice in {text[:80]!r}; leave one out")
        return cls(name.strip(), target if colon else None, args, alias)

    @property
    def shown(self) -> str:
        """What tables and figures call it: its alias, else all that was typed."""
        return self.alias or str(self)

    def __str__(self) -> str:
        alias = f"{self.alias}=" if self.alias else ""
        target = "" if self.target is None else f":{self.target}"
        args = ",".join(f"{key}={_show(value)}" for key, value in self.args)
        return f"{alias}{self.name}{target}" + (f"({args})" if args else "")


def fits_tables(name: str) -> bool:
    """Whether a name that somebody gives to a metric can stand alone: it is not read as one with arguments."""
    return name.isprintable() and name == name.strip() and 0 < len(name) <= 80 and not set(name) & set(",:()=")


def _alias_of(text: str) -> tuple[str | None, str]:
    """What stands before an equals sign that is no part of a target or an argument, and the rest.

    None where no alias can stand there: records may hold any name, `=1+1` too.
    """
    head = re.split("[:(]", text, maxsplit=1)[0]
    alias, equals, rest = head.partition("=")
    if not equals or not rest.strip() or not fits_tables(alias.strip()):
        return None, text
    return alias.strip(), text[len(alias) + 1 :]


def _levels(text: str) -> Iterator[tuple[int, str, int]]:
    """(position, character, depth of parentheses); what stands in quotes has depth -1."""
    depth, quote, escaped = 0, "", False
    for at, sign in enumerate(text):
        if quote:
            yield at, sign, -1
            quote, escaped = ("" if sign == quote and not escaped else quote), sign == "\\" and not escaped
            continue
        if sign in "'\"" and depth and text[at - 1] in "=(,":
            quote = sign
            yield at, sign, -1
            continue
        depth += (sign == "(") - (sign == ")" and depth > 0)
        yield at, sign, depth


def _arguments_of(text: str) -> tuple[str, str]:
    """What stands before the parentheses at the end, and what stands inside them."""
    opened = None
    for at, sign, depth in _levels(text):
        if sign == "(" and depth == 1:
            opened = at
        if sign == ")" and depth == 0 and opened is not None and at == len(text) - 1:
            return text[:opened], text[opened + 1 : at]
    return text, ""


def _pieces(text: str) -> list[str]:
    """Split at commas that stand in no parentheses and no quotes."""
    # Arguments are read as they stand in their parentheses.
    inside = f"({text})"
    cuts = [at for at, sign, depth in _levels(inside) if sign == "," and depth == 1]
    ends = [*cuts, len(inside) - 1]
    return [inside[start + 1 : end] for start, end in zip([0, *cuts], ends, strict=True)]


def _argument(text: str, whole: str) -> tuple[str, Scalar]:
    key, equals, value = text.partition("=")
    if not equals:
        # A bare word switches a flag on: l2-aa(full).
        return key.strip(), True
    if not key.strip().isidentifier():
        raise UserError(f"expected key=value between the parentheses of {whole!r}, got {text!r}")
    return key.strip(), _scalar(value.strip())


def _scalar(text: str) -> Scalar:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    words: dict[str, Scalar] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return int(text) if re.fullmatch("[+-]?[0-9]+", text) else number(text)
    except ValueError:
        return text


def _show(value: Scalar) -> str:
    """As it is typed: a text that would be read as something else stands in quotes."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    plain = str(value)
    if isinstance(value, str) and (
        [plain] != _pieces(plain)
        or "(" in plain
        or ")" in plain
        or _scalar(plain) != value
        or plain != plain.strip()
        or plain[:1] in ("'", '"')
    ):
        return '"' + re.sub(r'(["\\])', r"\\\1", plain) + '"'
    return plain


def split_list(texts: Sequence[str]) -> list[str]:
    """Split comma lists, but not inside parentheses: `['a(x=1,y=2),b']` gives two names.

    Raises UserError for texts with nothing in them.
    """
    parts = [part.strip() for text in texts for part in _pieces(text)]
    if texts and not any(parts):
        raise UserError(f"expected a list between commas, got {','.join(texts)[:80]!r}")
    return list(dict.fromkeys(filter(None, parts)))


def parse_eps(texts: Sequence[str]) -> tuple[float, ...]:
    """Budgets as typed (`2.0`, `36/255`, `0.5,1,2`), sorted, each once.

    Raises UserError where one is not a positive number that float32 tells from 0, or is far beyond any image.
    """
    values = set()
    for text in split_list(texts):
        try:
            value = number(text)
        except ValueError:
            raise UserError(f"--eps wants numbers like 2.0 or 36/255, got {text[:80]!r}") from None
        if value <= 0:
            raise UserError(f"--eps wants positive budgets, got {text!r}")
        if not _LEAST_EPS <= value <= MOST_EPS:
            raise UserError(f"--eps wants budgets from {_LEAST_EPS:g} to {MOST_EPS:g}, got {text!r}")
        values.add(value)
    if len(values) > _MOST_BUDGETS:
        raise UserError(f"--eps wants at most {_MOST_BUDGETS} budgets, got {len(values)}")
    return tuple(sorted(values))


def parse_budget(text: str | None, option: str) -> float | None:
    """One budget, 0 allowed; None for None. Raises UserError for anything else."""
    if text is None:
        return None
    try:
        value = number(text)
    except ValueError:
        raise UserError(f"{option} wants a number like 2.0 or 36/255, got {text[:80]!r}") from None
    if value < 0:
        raise UserError(f"{option} wants a budget of at least 0, got {text!r}")
    if value > MOST_EPS:
        raise UserError(f"{option} wants a budget of at most {MOST_EPS:g}, got {text!r}")
    return value
