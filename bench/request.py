"""What a user may ask for. What is wrong whatever it is asked of is refused here; what goes with what: choices.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from perceptbench.attacks.base import attack
from perceptbench.certifiers.base import certifier
from perceptbench.core.errors import UserError
from perceptbench.core.spec import Options, Ref, Scalar, split_list
from perceptbench.core.threat import MOVES, Move, Threat
from perceptbench.results.images import MAX_EPS, MOST
from perceptbench.results.tasks.base import scores

_FIRST = ("preference", "drift")
"""The tasks that a goal names first, where several know it."""


@dataclass(frozen=True, slots=True)
class Held:
    """A metric or a data set that exists in this process alone, under the name that tables give it."""

    name: str
    made: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Options):
    """What a user asked for; the runs are the product of metrics, data sets and methods."""

    metrics: Sequence[str | Held]
    data: Sequence[str | Held]
    attacks: Sequence[str]
    certifiers: Sequence[str]
    eps: tuple[float, ...]
    task: str | None = None
    threat: str | None = None
    goal: str | None = None
    declared: Mapping[str, Scalar] = field(default_factory=dict)
    """Options that tasks declare, as given: `tau`."""
    device: str = "cpu"
    save_images: int = 0
    """Of so many samples a run. It decides no number, so it is no option of the spec."""


def refs(texts: Sequence[str]) -> list[Ref]:
    """The names in comma lists."""
    return [Ref.parse(text) for text in split_list(texts)]


def tasks() -> list[str]:
    """Names of tasks, those first that a goal means where several know it."""
    return sorted(scores.names(), key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))


def declared(name: str) -> Any:
    """What a task declares: the class attributes of its scores. Raises UserError for an unknown name."""
    return scores.factory(name)


def check(request: Request) -> None:
    """Raises UserError for what is wrong whatever metric and data it is asked of."""
    if not [one for one in request.metrics if isinstance(one, Held) or split_list([one])]:
        raise UserError("name at least one metric: --metric lipsim; see: bench list metrics")
    if not request.eps:
        raise UserError("name at least one budget: --eps 2.0, or --eps 36/255,72/255")
    if request.limit is not None and request.limit < 1:
        raise UserError(f"--limit wants at least 1, got {request.limit}")
    for registry, named in ((attack, request.attacks), (certifier, request.certifiers)):
        for ref in refs(named):
            registry.resolve(ref)  # type: ignore[attr-defined]
    if request.attacks and len(refs(request.certifiers)) > 1:
        raise UserError("bench run takes one --certifier; for several, use bench certify")
    goals = tuple(dict.fromkeys(goal for name in tasks() for goal in declared(name).goals))
    for option, value, known in (
        ("--goal", request.goal, goals), ("--move", request.move, MOVES),
        ("--quantize", request.quantize, ("8bit",)), ("--protocol", request.protocol, ("ours", "paper")),
    ):  # fmt: skip
        if value is not None and value not in known:
            raise UserError(f"{option} wants one of {', '.join(known)}, got {value!r}")
    if request.restarts < 1:
        raise UserError(f"--restarts wants at least 1, got {request.restarts}")
    _check_images(request)
    Threat(cast(Move, request.move), "l2", request.eps_left, request.eps_right)
    if request.protocol == "paper" and (request.move, request.restarts, request.quantize) != ("reference", 1, None):
        raise UserError(
            "--protocol paper moves the reference, from one start, and rounds nothing; leave the others out"
        )


def _check_images(request: Request) -> None:
    if not 0 <= request.save_images <= MOST:
        raise UserError(f"--save-images wants a number of triplets from 0 to {MOST}, got {request.save_images}")
    if request.save_images and len(request.eps) > MAX_EPS:
        raise UserError(f"--save-images keeps the images of up to {MAX_EPS} eps, got {len(request.eps)}; ask for fewer")
    if request.save_images and request.move == "all":
        raise UserError(
            "--save-images keeps one changed image a triplet, --move all changes three; leave one of them out"
        )
