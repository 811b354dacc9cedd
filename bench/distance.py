"""`bench distance`: one pair of images."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from bench import options


def distance(
    first: Annotated[Path, typer.Argument(help="An image; the one that moves within --eps.")],
    second: Annotated[Path, typer.Argument(help="The image it is compared with.")],
    metric: Annotated[str, typer.Option("--metric", help="One metric.")] = "lipsim",
    eps: Annotated[str | None, typer.Option("--eps", help="Also prove an interval for this l2 budget.")] = None,
    json: options.Json = False,
) -> None:
    """The distance of two images and, where it can be proved, its interval under perturbation."""
    import torch

    from core.errors import UserError
    from core.spec import Ref, parse_eps
    from metrics.base import LipschitzMetric
    from metrics.base import metric as registry
    from triplets.images import read_image

    budgets = parse_eps([eps]) if eps is not None else ()
    if len(budgets) > 1:
        raise UserError(f"bench distance takes one --eps, got {eps!r}")
    built = registry.build(Ref.parse(metric))
    if budgets and not isinstance(built, LipschitzMetric):
        raise UserError(f"nothing can be proved of {metric}; leave --eps out, or use --metric lipsim")
    x, y = (read_image(path, where="command line")[None] for path in (first, second))
    result: dict[str, object] = {"metric": metric, "distance": built(x, y).item()}
    if budgets and isinstance(built, LipschitzMetric):
        with torch.no_grad():
            exact = built.double()
            embedded = exact.embed(x.double()), exact.embed(y.double())
            low, high = exact.interval(*embedded, budgets[0])
            # What answers is float32: eight times its measured error, and 32 units in the last place.
            clean = exact.compare(*embedded)
            off = 8 * (built(x, y) - clean).abs() + 4e-6 * clean.abs()
        result |= {"norm": "l2", "eps": budgets[0], "low": (low - off).item(), "high": (high + off).item()}
    if json:
        print(json_module.dumps(result, allow_nan=False))
        return
    print(f"{metric}: {result['distance']:.6g} (smaller = more alike)")
    if budgets:
        print(
            f"proved: within [{result['low']:.6g}, {result['high']:.6g}] for every change of {first.name} "
            f"of l2 norm up to {budgets[0]:g} (all pixels, images in [0, 1] at 224 x 224)"
        )
