"""What to run: names with arguments, budgets, and the identity of a run. No torch here."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, Literal, TypeAlias

from perceptbench.core.errors import UserError
from perceptbench.core.option import Option, option

Scalar: TypeAlias = str | int | float | bool | None
Norm: TypeAlias = Literal["l2", "linf"]

_REF = re.compile(r"(?P<name>[^:(]+)(?::(?P<target>.*?))?(?:\((?P<args>[^()]*)\))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Ref:
    """A registered name and its arguments: `l2-pgd(steps=100)`, `lipsim:FILE`, `nights:PATH@test`.

    `target` is what stands behind the colon; a component takes it as its first parameter.
    """

    name: str
    target: str | None = None
    args: tuple[tuple[str, Scalar], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Ref":
        """Read one name as a user types it. Raises UserError for what is not of that form."""
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


def canonical_json(value: object) -> str:
    """JSON that is the same text for the same value, whoever writes it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


ATTACK, MOVES = "Attack", "What may change"
"""Headings of options."""


def _budget(name: str, image: str) -> Mapping[str, Option]:
    help = f"With --move all: a budget of its own for {image}."
    return option(help, section=MOVES, parse=lambda text: parse_budget(text, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `bench run` that decide numbers, as typed."""

    seed: int = field(default=0, metadata=option("Seed of every random number."))
    limit: int | None = field(default=None, metadata=option("Only this many triplets (a fixed shuffle)."))
    skip_certified: bool = field(default=True, metadata=option("Do not attack what is proved safe.", section=ATTACK))
    move: str = field(
        default="reference", metadata=option("What may change: reference, left, right or all.", section=MOVES)
    )
    eps_left: float | None = field(default=None, metadata=_budget("--eps-left", "left"))
    eps_right: float | None = field(default=None, metadata=_budget("--eps-right", "right"))
    restarts: int = field(default=1, metadata=option("Starts of an attack that is no ensemble.", section=ATTACK))
    quantize: str | None = field(default=None, metadata=option("8bit: judge what a PNG would hold.", section=ATTACK))
    protocol: str = field(
        default="ours", metadata=option("ours, or paper: its attacks as its code ran them.", section=ATTACK)
    )

    def options(self) -> dict[str, Any]:
        """These fields, also of a subclass."""
        return {f.name: getattr(self, f.name) for f in fields(Options)}


COMPONENTS = ("metric", "data", "task", "threat", "attack", "certifier")
"""What a run is made of; each has a registered name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec(Options):
    """Everything that decides the numbers of one run.

    Args:
        metric, data, task, threat, attack, certifier: as the user named them; tables show these.
        norm: of the radii that cover the threat, which is the threat's own for an lp ball; None where no proof does.
        eps_unit: what eps counts.
        goal: what the attacker wants; the task says which there are.
        eps: sorted, in the unit of the threat.
        arguments: for each of the six, its arguments with every default filled in.
        fingerprints: SHA-256 of weights, data and code, so that a changed file is another run and a
            stale answer is never served.
    """

    metric: Ref
    data: Ref
    task: Ref = Ref("preference")
    threat: Ref = Ref("l2")
    attack: Ref | None = None
    certifier: Ref | None = None
    norm: Norm | None = "l2"
    eps_unit: str = ""
    eps: tuple[float, ...] = ()
    goal: str = "flip"
    arguments: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Plain values for record.json."""
        return {
            "metric": str(self.metric),
            "data": str(self.data),
            "task": str(self.task),
            "threat": str(self.threat),
            "attack": None if self.attack is None else str(self.attack),
            "certifier": None if self.certifier is None else str(self.certifier),
            "norm": self.norm,
            "eps_unit": self.eps_unit,
            "eps": list(self.eps),
            "goal": self.goal,
            **self.options(),
            "arguments": {key: dict(value) for key, value in self.arguments.items()},
            "fingerprints": dict(self.fingerprints),
        }

    @property
    def id(self) -> str:
        """12 hex digits of the SHA-256 over the canonical JSON of what decides the numbers.

        Names are hashed without what the user typed behind them: `arguments` has that resolved,
        and where a file lies does not matter, since its content is in `fingerprints`.
        """
        refs = {name: getattr(self, name) for name in COMPONENTS}
        content = self.to_dict() | {key: ref and ref.name for key, ref in refs.items()}
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:12]
