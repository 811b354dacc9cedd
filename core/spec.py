"""The spec of one run: everything that decides its numbers, and the run id, which is a hash of it. No torch here."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from perceptbench.core.number import MOST_SEED
from perceptbench.core.option import Option, option
from perceptbench.core.printable import printable
from perceptbench.core.ref import Norm, Ref, Scalar, parse_budget


def canonical_json(value: object) -> str:
    """JSON that is always the same text for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


ATTACK, MOVES = "Attack", "What may change"
"""Headings of options."""


def _budget(name: str, image: str) -> Mapping[str, Option]:
    help = f"With --move all: a budget of its own for {image}."
    return option(help, section=MOVES, parse=lambda text: parse_budget(text, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `bench run` that change results and are no component, as typed."""

    seed: int = field(default=0, metadata=option("Seed of every random number.", max=MOST_SEED))
    limit: int | None = field(default=None, metadata=option("Only this many triplets (a fixed shuffle)."))
    skip_certified: bool = field(default=True, metadata=option("Do not attack what is proved safe.", section=ATTACK))
    move: str = field(
        default="reference", metadata=option("What may change: reference, left, right or all.", section=MOVES)
    )
    eps_left: float | None = field(default=None, metadata=_budget("--eps-left", "left"))
    eps_right: float | None = field(default=None, metadata=_budget("--eps-right", "right"))
    restarts: int = field(
        default=1, metadata=option("Starts of an attack that is no ensemble.", section=ATTACK, max=1000)
    )
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
        norm: the lp norm of the radii that cover the threat, for an lp ball its own; None where none does: then radii,
            if there are any, are in the size of the threat.
        eps_unit: what eps counts, in words.
        goal: what the attacker wants; the task says which there are.
        eps: sorted, in the unit of the threat.
        arguments: for each of the six, its arguments with every default filled in.
        fingerprints: SHA-256 of weights, data and code, so that a changed file makes another run and an outdated
            result is never reused.
    """

    metric: Ref
    data: Ref
    task: Ref = Ref("preference")  # noqa: RUF009 - frozen
    threat: Ref = Ref("l2")  # noqa: RUF009 - frozen
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
            **{name: _typed(getattr(self, name)) for name in COMPONENTS},
            **({METRIC_TYPED: printable(str(self.metric))} if self.metric.alias else {}),
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
        """12 hex digits of the SHA-256 over the canonical JSON of everything that decides the numbers.

        Only the names of components are hashed and not the arguments as typed, since `arguments` has them resolved.
        The path of a file does not matter, since `fingerprints` has its content.
        """
        return hashlib.sha256(canonical_json(_deciding(self.to_dict())).encode()).hexdigest()[:12]


def _typed(ref: Ref | None) -> str | None:
    """As typed, or its alias; a record keeps only what can be printed, and a name of a file may hold anything."""
    return None if ref is None else printable(ref.shown)


METRIC_TYPED = "metric_typed"
"""The key of a spec that has the metric as it was typed, where an alias stands for it."""


def typed_metric(spec: Mapping[str, Any]) -> str:
    """The metric of a run as it can be typed again, with its alias if it has one."""
    return str(spec.get(METRIC_TYPED, spec["metric"]))


def question(spec: Mapping[str, Any]) -> str:
    """What a run asks apart from its list of eps, as text: two runs with the same question answer it at other eps.

    Args:
        spec: as `RunSpec.to_dict` gives it and record.json keeps it.
    """
    content = _deciding(spec)
    content.pop("eps", None)
    return canonical_json(content)


def _deciding(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec without what decides no number: arguments as typed, and words for readers."""
    content = {key: value for key, value in spec.items() if key not in ("eps_unit", METRIC_TYPED)}
    names = {key: content[key] and Ref.parse(content[key]).name for key in COMPONENTS if key in content}
    if METRIC_TYPED in spec:
        # What stands behind an alias decides too.
        names["metric"] = f"{names['metric']}={Ref.parse(spec[METRIC_TYPED]).name}"
    return content | names
