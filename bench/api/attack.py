"""One attack on triplets in memory, judged as in a run."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from torch import Tensor

from perceptbench.attacks.threats.stacked import unstack
from perceptbench.bench.api.given import GivenTriplets
from perceptbench.bench.api.keywords import with_options
from perceptbench.triplets.base import Triplets


@dataclass(frozen=True)
class AttackResult:
    """What an attack achieved; tensors have a row a triplet, and none for n where one triplet was given.

    Args:
        adversarial: the image that moved, after the attack: (n, 3, h, w) in [0, 1]. Where all three moved, the
            reference. Where nothing succeeded, the strongest change that was found.
        flipped: (n,), whether the answer was right before and is lost.
        size: (n,), float64: the measured size of the change, in the unit of eps.
        correct: (n,), whether the answer was right before the attack.
        images: all three images after the attack, as a batch.
        samples: the columns of samples.parquet, a row a triplet: distances before and after (d0, d1, d0_adv, d1_adv),
            the part that broke it, passes.
    """

    adversarial: Tensor
    flipped: Tensor
    size: Tensor
    correct: Tensor
    images: Triplets
    samples: pd.DataFrame


@with_options(without=("metric", "data", "limit", "certifier", "skip_certified", "save_images"))
def attack(
    metric: Any,
    x: Any,
    left: Any,
    right: Any,
    attack: str = "l2-apgd-ce",
    eps: float | str = 1.0,
    *,
    label: Any = None,
    **options: Any,
) -> AttackResult:
    """Attack the answer of a metric to triplets: which of two images is more like x?

    Args:
        metric: what `pb.metric` takes. It is moved to the device.
        x, left, right: images as `pb.metric` takes them; one is repeated for all others. Tensors keep their size.
        attack: one name, as on the command line: `"l2-pgd(steps=50)"`.
        eps: one budget.
        label: 1 where `right` is more like x, 0 where `left` is; one for all, or one a triplet. Without it, the
            answer of the metric is the right one.
        options: of `bench run` by their names: threat, task, goal, move, restarts, quantize,
            through, seed, device, ...

    Returns:
        The images and what they achieve, measured and judged again by the runner, whatever the attack says.

    Raises UserError for images that do not go together, an unknown attack, and options that do not go with it.

    Example:
        >>> x, left, right = torch.rand(3, 3, 224, 224)
        >>> found = pb.attack("lipsim", x, left, right, "l2-pgd", eps=2)
        >>> found.flipped, found.size
    """
    given = GivenTriplets.of(metric, x, left, right, label)
    with given.planned("attack", attack=attack, eps=eps, certifier=None, **options) as planned:
        frame, moved = planned.samples()
    move = planned.plan.move
    after = given.batch.images
    moved = moved.to(given.batch.reference.device)
    after |= dict(zip(after, unstack(moved), strict=True)) if move == "all" else {move: moved}
    return AttackResult(
        adversarial=given.shown(after["reference" if move == "all" else move]),
        flipped=given.shown(frame["correct"] & ~frame["robust"]),
        size=given.shown(frame["size"]),
        correct=given.shown(frame["correct"]),
        images=replace(given.batch, reference=after["reference"], left=after["left"], right=after["right"]),
        samples=frame,
    )
