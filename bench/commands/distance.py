"""`bench distance`: one pair of images."""

import json as json_module
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import JSON
from perceptbench.core.option import option

if TYPE_CHECKING:
    from perceptbench.metrics.base import LipschitzMetric
    from perceptbench.metrics.seen import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class DistanceRequest:
    """Two images, and what to prove about their distance."""

    first: Path = field(metadata=option("An image; the one that moves within --eps.", positional=True))
    second: Path = field(metadata=option("The image it is compared with.", positional=True))
    metric: str = field(default="lipsim", metadata=option("One metric."))
    eps: str | None = field(default=None, metadata=option("Also prove an interval for this l2 budget."))
    tau: float | None = field(
        default=None, metadata=option("A copy is what is at most this far; prove how long that holds.")
    )
    json: bool = field(default=False, metadata=JSON)


@command()
def distance(request: DistanceRequest) -> None:
    """The distance of two images and, where it can be proved, its interval and its decision under perturbation."""
    from perceptbench.core.errors import UserError
    from perceptbench.core.spec import Ref, parse_eps
    from perceptbench.metrics.base import LipschitzMetric
    from perceptbench.metrics.base import metric as registry
    from perceptbench.metrics.seen import Seen
    from perceptbench.triplets.images import read_image

    first, second, metric = request.first, request.second, request.metric
    eps, tau, json = request.eps, request.tau, request.json
    budgets = parse_eps([eps]) if eps is not None else ()
    if len(budgets) > 1:
        raise UserError(f"bench distance takes one --eps, got {eps!r}")
    built = registry.build(Ref.parse(metric))
    if (budgets or tau is not None) and not isinstance(built, LipschitzMetric):
        raise UserError(f"nothing can be proved of {metric}; leave --eps and --tau out, or use --metric lipsim")
    if tau is not None and isinstance(built, LipschitzMetric):
        _check_tau(built, metric, tau)
    x, y = (read_image(path, where="command line")[None] for path in (first, second))
    seen = Seen(built, {"first": x, "second": y})
    result: dict[str, object] = {"metric": metric, "distance": seen.distance("first", "second").item()}
    if budgets or tau is not None:
        result |= {"norm": "l2"} | _proved(seen, budgets[0] if budgets else None, tau)
    if json:
        print(json_module.dumps(result, allow_nan=False))
        return
    _print(result, first.name)


def _check_tau(built: "LipschitzMetric", name: str, tau: float) -> None:
    from perceptbench.core.errors import UserError

    low, high = built.space.bounds
    if not low <= tau < high:
        raise UserError(f"--tau wants a distance of {name}, which lies in [{low:g}, {high:g}), got {tau:g}")


def _proved(seen: "Seen", eps: float | None, tau: float | None) -> dict[str, object]:
    """The interval within eps, and the radius of the decision d <= tau."""
    from perceptbench.certifiers.decision import decision_proof, interval_proof

    proved: dict[str, object] = {}
    if eps is not None:
        low, high = interval_proof(seen, "first", "second", eps)
        proved |= {"eps": eps, "low": low.item(), "high": high.item()}
    if tau is not None:
        radius = decision_proof(seen, "first", "second", tau).radius
        within = seen.distance("first", "second").item() <= tau
        proved |= {"tau": tau, "within": within, "radius": radius.item()}
    return proved


def _print(result: dict[str, object], moving: str) -> None:
    unit = "(all pixels, images in [0, 1] at 224 x 224)"
    print(f"{result['metric']}: {result['distance']:.6g} (smaller = more alike)")
    if "eps" in result:
        print(
            f"proved: within [{result['low']:.6g}, {result['high']:.6g}] for every change of {moving} "
            f"of l2 norm up to {result['eps']:g} {unit}"
        )
    if "tau" in result:
        word = "at most" if result["within"] else "more than"
        print(
            f"proved: {word} {result['tau']:g} for every change of {moving} of l2 norm below "
            f"{result['radius']:.6g} {unit}"
        )
