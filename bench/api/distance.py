"""Pairs of images: how far apart they are and, where it can be proved, how far they stay so."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from perceptbench.attacks.threats.base import threat as threats
from perceptbench.attacks.threats.proved import l2_of, size_of
from perceptbench.bench.api.arguments import number_of
from perceptbench.bench.api.images import taken_together
from perceptbench.bench.api.metric import evaluated
from perceptbench.bench.api.metric import metric as metric_of
from perceptbench.bench.api.untouched import untouched
from perceptbench.certifiers.decision import decision_proof, interval_proof
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref, parse_eps
from perceptbench.metrics.base import LipschitzMetric
from perceptbench.metrics.seen import Seen


@dataclass(frozen=True)
class Distance:
    """Distances of pairs; tensors have a row a pair, and none for n where one pair was given.

    Args:
        distance: (n,), smaller where images are more alike.
        low, high: (n,), float64: bounds of it for every change of the first image within eps; None without eps.
        within: (n,), whether the distance is at most tau; None without tau.
        radius: (n,), float64, in the unit of the threat: no smaller change of the first image turns `within`; None
            without tau.
    """

    distance: Tensor
    low: Tensor | None = None
    high: Tensor | None = None
    within: Tensor | None = None
    radius: Tensor | None = None


def distance(
    metric: Any, a: Any, b: Any, eps: float | str | None = None, tau: float | None = None, threat: str = "l2"
) -> Distance:
    """The distance of images and, where it can be proved, its interval and its decision under perturbation.

    Args:
        metric: what `pb.metric` takes.
        a, b: images as `pb.metric` takes them; a is what may change.
        eps: one budget, for the interval.
        tau: a copy is what is at most this far: how long does that decision hold?
        threat: the set of changes, in whose unit eps and the radius are.

    Raises UserError for eps or tau with a metric or a threat of which nothing can be proved, and for a tau that is no
    distance.

    Example:
        >>> pb.distance("lipsim", "a.png", "b.png", eps=0.5)
    """
    made = metric_of(metric)
    tau = None if tau is None else number_of(tau, "tau")
    typed = eps if isinstance(eps, str | None) else repr(number_of(eps, "eps"))
    budgets = parse_eps([typed]) if typed is not None else ()
    if len(budgets) > 1:
        raise UserError(f"bench distance takes one --eps, got {typed!r}")
    if (budgets or tau is not None) and not isinstance(made.inner, LipschitzMetric):
        raise UserError(f"nothing can be proved of {made.name}; leave --eps and --tau out, or use --metric lipsim")
    within = threats.build(Ref.parse(threat))
    if (budgets or tau is not None) and not within.provable:
        raise UserError(f"no certificate covers --threat {threat}; leave --eps and --tau out")
    if tau is not None and isinstance(made.inner, LipschitzMetric):
        low, high = made.inner.space.bounds
        if not low <= tau < high:
            raise UserError(f"--tau wants a distance of {made.name}, which lies in [{low:g}, {high:g}), got {tau:g}")
    (x, y), single = taken_together(a=a, b=b)
    where = made.device or x.device
    with evaluated(made, frozen=True), untouched(made.name, (x, y), where) as (first, second):
        seen = Seen(made.inner, {"first": first, "second": second})
        found: dict[str, Tensor] = {"distance": seen.distance("first", "second")}
        if budgets:
            norms = l2_of(within, first, budgets[0])
            each = [interval_proof(seen, "first", "second", float(norm)) for norm in norms]
            for side, name in enumerate(("low", "high")):
                found[name] = torch.stack([bounds[side][i] for i, bounds in enumerate(each)])
        if tau is not None:
            found["within"] = found["distance"] <= tau
            found["radius"] = size_of(within, first, decision_proof(seen, "first", "second", tau).radius)
    return Distance(**{name: values[0] if single else values for name, values in found.items()})
