"""Three lines about a metric from outside this project, said once: what it is, how it behaves, where to look closer."""

import logging
import shlex
from collections.abc import Mapping

from perceptbench.bench.flags.base import percent
from perceptbench.bench.plan import Plan
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import EmbeddingMetric, Metric
from perceptbench.metrics.held import modules_in, tensors_in

_LOG = logging.getLogger(__name__)
_SAID: set[str] = set()
"""The metrics that were introduced in this process, as typed."""


def introduce(plan: Plan, values: Mapping[str, float]) -> None:
    """Log the three lines, unless they were said: a command shows them on standard error, a program by its own choice.

    Args:
        values: of the flags that were looked at before the first chunk.
    """
    ref = plan.spec.metric
    if str(ref) not in _SAID:
        _SAID.add(str(ref))
        for line in introduction(ref, plan.metric, values, registered=not plan.request.is_alone(ref)):
            _LOG.info(line)


def introduction(ref: Ref, metric: Metric, values: Mapping[str, float], *, registered: bool) -> tuple[str, str, str]:
    """What it is made of, what the flags say of it, and the command or the call that looks closer."""
    networks, numbers = len(modules_in(metric)), sum(one.numel() for one in tensors_in(metric))
    how = "compares vectors by cosine" if isinstance(metric, EmbeddingMetric) else "compares pairs of images"
    held = f"{networks} network{'s' * (networks != 1)} and {numbers:,} numbers in tensors"
    of = "" if ref.alias is None else f" is {Ref(ref.name, ref.target, ref.args)}, which"
    closer = f"bench doctor --metric {shlex.quote(str(ref))}" if registered else f"pb.doctor({ref.shown})"
    return (
        f"{ref.shown}{of} {how} and holds {held}",
        f"{ref.shown}: {'; '.join(_behaviour(metric, values))}",
        f"{ref.shown}: range, direction, symmetry and speed are looked at by {closer}",
    )


def _behaviour(metric: Metric, values: Mapping[str, float]) -> list[str]:
    words = ["a gradient" if metric.differentiable and not values.get("no-gradient") else "no gradient"]
    if "finite-difference" in values:
        words[0] += f", {percent(values['finite-difference'])} off central differences"
    if metric.stochastic:
        return [*words, "draws at random, as it says"]
    same = "the same number twice" if not values.get("random-output") else "another number at each call"
    if "batch" in values:
        same += f", and alone within {percent(values['batch'])} of what it gives in a batch"
    return [*words, same]
