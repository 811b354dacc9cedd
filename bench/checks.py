"""Checks of a request that need no metric and no data. What fits together is decided in choices.py."""

from typing import Any, cast

from perceptbench.attacks.base import attack
from perceptbench.bench.request import EIGHT_BIT, Held, Request, refs
from perceptbench.certifiers.base import certifier
from perceptbench.core.errors import UserError
from perceptbench.core.ref import split_list
from perceptbench.core.threat import MOVES, Move, Threat
from perceptbench.results.saved_images import MAX_EPS, MOST
from perceptbench.results.tasks.base import scores

_FIRST = ("preference", "drift")
"""Tasks in the order in which a goal chooses one, where several tasks have the goal."""


def tasks() -> list[str]:
    """Names of tasks, in the order in which a goal chooses one of them."""
    return sorted(scores.names(), key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))


def declared(name: str) -> Any:
    """The scores class of a task, which declares goals, moves and data. Raises UserError for an unknown name."""
    return scores.factory(name)


def check(request: Request) -> None:
    """Raises UserError for a request that is wrong for every metric and data set."""
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
        ("--quantize", request.quantize, (EIGHT_BIT,)), ("--protocol", request.protocol, ("ours", "paper")),
    ):  # fmt: skip
        if value is not None and value not in known:
            raise UserError(f"{option} wants one of {', '.join(known)}, got {value!r}")
    if request.restarts < 1:
        raise UserError(f"--restarts wants at least 1, got {request.restarts}")
    if not [one for one in request.data if isinstance(one, Held) or split_list([one])]:
        raise UserError("name at least one data set: --data photos; see: bench list data")
    _check_images(request)
    Threat(cast(Move, request.move), "l2", request.eps_left, request.eps_right)
    if request.quantize and request.through:
        raise UserError("--quantize 8bit is the channel 8bit: write --through 8bit,jpeg(q=75), say, and leave it out")
    own = (request.move, request.restarts, request.quantize, tuple(request.through))
    if request.protocol == "paper" and own != ("reference", 1, None, ()):
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
