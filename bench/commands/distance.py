"""`bench distance`: one pair of images."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import JSON
from perceptbench.core.errors import UserError
from perceptbench.core.option import option
from perceptbench.core.plain_json import json_line
from perceptbench.core.printable import printable
from perceptbench.core.ref import parse_eps


@dataclass(frozen=True, slots=True, kw_only=True)
class DistanceRequest:
    """Two images, and what to prove about their distance."""

    first: Path = field(metadata=option("An image; the one that moves within --eps.", positional=True))
    second: Path = field(metadata=option("The image it is compared with.", positional=True))
    metric: str = field(default="lipsim", metadata=option("One metric."))
    eps: str | None = field(default=None, metadata=option("Also prove an interval for this budget."))
    threat: str = field(default="l2", metadata=option("The set of changes; see: bench list threats."))
    tau: float | None = field(
        default=None, metadata=option("A copy is what is at most this far; prove how long that holds.")
    )
    json: bool = field(default=False, metadata=JSON)


@command()
def distance(request: DistanceRequest) -> None:
    """The distance of two images and, where it can be proved, its interval and its decision under perturbation."""
    from perceptbench.bench.api.distance import distance as measure
    from perceptbench.bench.api.images import taken

    x, y = (taken(path, "command line").images[0] for path in (request.first, request.second))
    found = measure(request.metric, x, y, request.eps, request.tau, request.threat)
    value = found.distance.item()
    if not math.isfinite(value):
        raise UserError(
            f"expected a finite distance, got {value} from {request.metric}; see bench doctor --metric {request.metric}"
        )
    result: dict[str, object] = {"metric": printable(request.metric), "distance": value}
    if found.low is not None and found.high is not None:
        eps = parse_eps([str(request.eps)])[0]
        result |= {**_sized(request.threat), "eps": eps, "low": found.low.item(), "high": found.high.item()}
    if found.within is not None and found.radius is not None:
        result |= {
            **_sized(request.threat),
            "tau": request.tau,
            "within": found.within.item(),
            "radius": found.radius.item(),
        }
    if request.json:
        answer(json_line(result))
        return
    _print(result, printable(request.first.name))


def _sized(name: str) -> dict[str, object]:
    """How changes are measured: the norm of a ball, or the threat and its unit."""
    from perceptbench.attacks.threats.base import threat
    from perceptbench.core.ref import Ref

    made = threat.build(Ref.parse(name))
    return {"norm": name} if name == made.proof else {"norm": None, "threat": name, "eps_unit": made.unit}


def _print(result: dict[str, object], moving: str) -> None:
    size = f"{result['norm']} norm" if result.get("norm") else f"{result.get('threat')} size"
    unit = f"({result.get('eps_unit', 'all pixels, images in [0, 1] at 224 x 224')})"
    answer(f"{result['metric']}: {result['distance']:.6g} (smaller = more alike)")
    if "eps" in result:
        answer(
            f"proved: within [{result['low']:.6g}, {result['high']:.6g}] for every change of {moving} "
            f"of {size} up to {result['eps']:g} {unit}"
        )
    if "tau" in result:
        word = "at most" if result["within"] else "more than"
        answer(
            f"proved: {word} {result['tau']:g} for every change of {moving} of {size} below "
            f"{result['radius']:.6g} {unit}"
        )
