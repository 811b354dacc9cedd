"""Is a metric fit to be measured? Every flag that a metric alone can raise, and what else goes wrong with metrics."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from perceptbench.bench.api.metric import evaluated
from perceptbench.bench.api.metric import metric as metric_of
from perceptbench.bench.flags.asked_again import SAMPLES, AskedAgain
from perceptbench.bench.flags.base import Flag, Observed, all_flags, measured, percent
from perceptbench.bench.flags.first_look import gives_gradient
from perceptbench.core.device import Device
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import Metric
from perceptbench.results.statistics.estimates import proportion
from perceptbench.tasks.base import Aim, task
from perceptbench.triplets.base import Triplets, TripletSource, triplets

_ORDER = ("range", "direction", "random-output", "batch", "symmetry", "no-gradient", "zero-gradient",
          "finite-difference")  # fmt: skip
"""The first of these that is wrong is the cause: what follows may be its consequence."""
_ASYMMETRY = 1e-3
_TRIPLETS = 2 * SAMPLES
_RANGES: Mapping[str, Callable[[Tensor], Tensor]] = {"[0, 255]": lambda x: 255 * x, "[-1, 1]": lambda x: 2 * x - 1}


@dataclass(frozen=True)
class Checked:
    """One thing that was looked at.

    Args:
        name: as docs/flags.md has it; `answers`, `symmetry`, `identity` and `speed` are no flags.
        ok: whether nothing is wrong; None where it could not be looked at.
        measured, threshold: the number that was found, and the one that it may not pass; None where there is none.
        sentence: what was seen where something is wrong, else what was looked at.
    """

    name: str
    ok: bool | None
    measured: float | None
    threshold: float | None
    sentence: str


@dataclass(frozen=True)
class Diagnosis:
    """What `pb.doctor` found.

    Args:
        metric: its name.
        checks: all that was looked at.
    """

    metric: str
    checks: tuple[Checked, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(one.ok is not False for one in self.checks)

    @property
    def cause(self) -> str:
        """What is wrong, in one sentence; empty where nothing is."""
        wrong = [one for one in self.checks if one.ok is False]
        return f"{wrong[0].name}: {wrong[0].sentence}" if wrong else ""


def doctor(metric: Any, *, device: str = "auto") -> Diagnosis:
    """Look whether a metric is fit to be measured, in about a minute: on 16 triplets of `photos`.

    Range, direction, symmetry, dependence on the batch, randomness, the gradient beside central differences, gradients
    that are zero, and speed. docs/flags.md explains each, with its threshold.

    Args:
        metric: what `pb.metric` takes. It is moved to the device.

    Raises UserError for an unknown name, and for what is no metric.

    Example:
        >>> pb.doctor("lipsim").ok
        True
    """
    where = Device(device).resolve()
    made = metric_of(metric)
    built = made.inner.to(where)
    with evaluated(made, frozen=True):
        try:
            gradient = gives_gradient(built, where)
            checks = _checks(built, gradient, where)
        except UserError as error:
            checks = [Checked("answers", False, None, None, str(error))]
    return Diagnosis(made.name, tuple(checks))


def _checks(metric: Metric, gradient: bool, device: str) -> list[Checked]:
    source = triplets.build(Ref("photos")).limited(_TRIPLETS)
    question = task.build(Ref("preference"))
    probe = AskedAgain.of(question, metric, source, Aim("flip"), {}, device, differentiable=gradient)
    batches = _batches(source, device)
    right = torch.cat([_right(metric, batch) for batch in batches])
    values = measured(Observed(
        probe=probe, search=probe.gradients, gradient_missing=metric.differentiable and not gradient,
        natural=100 * proportion(right.cpu().numpy()).high,
    ))  # fmt: skip
    words = {"range": _other_range, "direction": _other_direction}
    found = {one.name: _of_flag(one, values.get(one.name)) for one in all_flags() if one.name in _ORDER}
    for name, explain in words.items():
        if found[name].ok is False:
            one = found[name]
            found[name] = Checked(name, False, one.measured, one.threshold, explain(metric, batches, one.sentence))
    found["symmetry"] = _symmetry(metric, batches[0])
    if found["direction"].ok and (wrong := _itself_farther(metric, batches)) > _ASYMMETRY:
        found["direction"] = Checked("direction", False, 100 * (1 - wrong), 50.0, _SIMILARITY.format(percent(wrong)))
    return [*(found[name] for name in _ORDER), _itself(metric, batches), _speed(metric, batches[0])]


def _batches(source: TripletSource, device: str) -> list[Triplets]:
    return [source.batch(source.entries[i : i + SAMPLES]).to(device) for i in range(0, len(source), SAMPLES)]


def _of_flag(one: Flag, value: float | None) -> Checked:
    about = (one.__doc__ or "").partition("\n")[0]
    if value is None:
        return Checked(one.name, None, None, one.threshold, f"Not looked at: {about}")
    wrong = one.raised(value)
    return Checked(one.name, not wrong, value, one.threshold, one.sentence(value) if wrong else about)


@torch.no_grad()
def _right(metric: Metric, batch: Triplets, change: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
    """1 (n,) where the answer is right, one half for a tie."""
    d0, d1 = metric.prepare(change(batch.left), change(batch.right)).distances(change(batch.reference))
    if not bool((d0 + d1).isfinite().all()):
        raise UserError("the metric gave a distance that is not finite on photographs in [0, 1]; correct it first")
    return (1 + (batch.sign * (d0 - d1)).sign()).double() / 2


def _in_ranges(metric: Metric, batches: Sequence[Triplets]) -> dict[str, float]:
    """The clean score, in percent, on images brought to other ranges."""
    scores = {}
    for name, change in _RANGES.items():
        try:
            right = torch.cat([_right(metric, batch, change) for batch in batches])
        except UserError:
            continue
        scores[name] = 100 * float(right.mean())
    return scores


def _other_range(metric: Metric, batches: Sequence[Triplets], seen: str) -> str:
    scores = _in_ranges(metric, batches)
    best = max(scores, key=lambda name: scores[name], default="")
    if best and scores[best] > 75:
        return f"it expects images in {best}, and is given [0, 1]: there its clean score is {scores[best]:.0f} %"
    return seen


def _other_direction(metric: Metric, batches: Sequence[Triplets], seen: str) -> str:
    better = _other_range(metric, batches, "")
    return better or (
        "images that are more alike get the larger number, so a similarity is passed as a distance: return 1 - s or -s "
        f"({seen.partition(':')[0]})"
    )


_SIMILARITY = (
    "on {} of the samples an image is farther from itself than from another one, so a similarity is passed as a "
    "distance: return 1 - s or -s"
)


@torch.no_grad()
def _itself_farther(metric: Metric, batches: Sequence[Triplets]) -> float:
    """The share of samples whose reference is farther from itself than from `left`."""
    pairs = [(metric(b.reference, b.reference), metric(b.reference, b.left)) for b in batches]
    return float(torch.cat([itself > other for itself, other in pairs]).double().mean())


@torch.no_grad()
def _itself(metric: Metric, batches: Sequence[Triplets]) -> Checked:
    finite = torch.cat([metric(b.reference, b.reference).isfinite() for b in batches]).double()
    share = float(1 - finite.mean())
    wrong = (
        f"on {percent(share)} of the samples the distance of an image from itself is not finite, which push asks for"
    )
    about = "The share of samples whose distance from themselves is not finite."
    return Checked("identity", share == 0, share, 0.0, wrong if share else about)


@torch.no_grad()
def _symmetry(metric: Metric, batch: Triplets) -> Checked:
    one, other = metric(batch.reference, batch.left).double(), metric(batch.left, batch.reference).double()
    largest = float(one.abs().max())
    apart = float((one - other).abs().max()) / largest if largest else 0.0
    wrong = metric.symmetric and not metric.stochastic and apart > _ASYMMETRY
    sentence = (
        f"d(x, y) and d(y, x) differ by {percent(apart)} of the largest distance, and the metric does not say "
        "symmetric = False"
        if wrong
        else "How far d(x, y) and d(y, x) differ, as a share of the largest distance."
    )
    return Checked("symmetry", not wrong, apart, _ASYMMETRY, sentence)


@torch.no_grad()
def _speed(metric: Metric, batch: Triplets) -> Checked:
    started = time.perf_counter()
    float(metric(batch.reference, batch.left).sum())
    pairs = len(batch.ids) / (time.perf_counter() - started)
    return Checked("speed", True, pairs, None, f"{pairs:.3g} pairs a second, forward, in batches of {len(batch.ids)}.")
