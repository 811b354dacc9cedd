"""What is proved of the answers to triplets in memory."""

from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from perceptbench.bench.api.given import GivenTriplets
from perceptbench.bench.api.keywords import with_options
from perceptbench.certifiers.base import Certifier

_ANY_EPS = 1.0
"""A radius answers for every eps, and a run wants one."""


@dataclass(frozen=True)
class CertificateResult:
    """What is proved; tensors have a row a triplet, and none for n where one triplet was given.

    Args:
        radius: (n,), float64, in the unit of the threat: no smaller change of what may move turns the answer. 0
            where nothing is proved, and where the answer is not right in the first place.
        correct: (n,), whether the answer is right.
        sound: whether the radii bind the metric itself. Where not, `promise` says what they are.
        confidence: 1 for a proof, 1 - alpha for a method that draws at random.
        promise: what a radius means, in a phrase.
    """

    radius: Tensor
    correct: Tensor
    sound: bool
    confidence: float
    promise: str


@with_options(without=("metric", "data", "limit", "attack", "eps", "skip_certified", "save_images", "restarts"))
def certify(
    metric: Any, x: Any, left: Any, right: Any, certifier: str = "margin", *, label: Any = None, **options: Any
) -> CertificateResult:
    """How far images may move before the answer of a metric can turn: which of two images is more like x?

    Args:
        metric: what `pb.metric` takes. It is moved to the device.
        x, left, right: images as `pb.metric` takes them; one is repeated for all others. Tensors keep their size.
        certifier: one name, as on the command line: `"smoothing(sigma=0.25,n=1000)"`.
        label: 1 where `right` is more like x, 0 where `left` is; one for all, or one a triplet. Without it, the
            answer of the metric is the right one.
        options: of `bench certify` by their names: threat, move, eps_left, eps_right, seed, device, ...

    Raises UserError for images that do not go together, and where the certifier knows nothing of the metric.

    Example:
        >>> pb.certify("lipsim", x, left, right).radius
    """
    given = GivenTriplets.of(metric, x, left, right, label)
    with given.planned("certify", certifier=certifier, eps=_ANY_EPS, **options) as planned:
        frame, _ = planned.samples()
    plan = planned.plan
    made = cast(Certifier, plan.certifier)
    return CertificateResult(
        radius=given.shown(frame["radius"]),
        correct=given.shown(frame["correct"]),
        sound=bool(plan.sound),
        confidence=made.confidence,
        promise=made.promise(plan.metric),
    )
