"""The best radius of the metric's own embedding (docs/certificates.md, sections 2 and 4)."""

from dataclasses import dataclass
from typing import cast

import torch

from perceptbench.certifiers.base import certifier
from perceptbench.certifiers.embedded import PROOF, Embedded, EmbeddingCertifier, lipschitz_only
from perceptbench.core.tensors import PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric

_HALVINGS = 40


@certifier("margin", source="LipSim (arXiv:2310.18274) made exact: docs/certificates.md, sections 2 and 4")
@dataclass(frozen=True)
class Margin(EmbeddingCertifier):
    """Distance of the embedding from where the answer flips, over the Lipschitz constant; whoever moves.

    For a moving reference under the cosine of the raw embedding it is <g, w> / (L |w|): dividing g by
    its norm does not change the side of the plane, so no assumption on |g| is needed, and no larger
    radius follows from the same facts.

    Args:
        exact: false takes the simple bound where all three images move; it is never larger.
    """

    exact: bool = True

    def sound(self, metric: Metric) -> bool:
        lipschitz_only(metric, "margin")
        return True

    def promise(self, metric: Metric) -> str:
        return PROOF

    def radius(self, embedded: Embedded, threat: Threat, slack: PerImage) -> PerImage:
        metric, nothing = embedded.metric, torch.zeros_like(slack)
        if threat.move == "reference":
            return metric.separate_radius(embedded.answer(slack), nothing, nothing)
        if threat.move != "all":
            return _anchor_radius(embedded, threat.move == "right", slack)
        if threat.separate:
            left, right = (torch.full_like(slack, cast(float, eps)) for eps in (threat.eps_left, threat.eps_right))
            near = torch.where(embedded.right_is_near, right, left)
            return metric.separate_radius(embedded.answer(slack), near, left + right - near, self.exact)
        if threat.norm == "l2":
            return metric.shared_radius(embedded.answer(slack), self.exact)
        return self._same_for_each(embedded, slack)

    def _same_for_each(self, embedded: Embedded, slack: PerImage) -> PerImage:
        """The largest e such that each of the three images may move by e, found from below."""
        answer = embedded.answer(slack)

        def bears(e: PerImage) -> PerImage:
            return embedded.metric.separate_radius(answer, e, e, self.exact)

        low = torch.zeros_like(slack)
        high = bears(low)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            safe = bears(middle) > middle
            low, high = torch.where(safe, middle, low), torch.where(safe, high, middle)
        return low


def _anchor_radius(embedded: Embedded, right_moves: bool, slack: PerImage) -> PerImage:
    """One anchor moves: until its distance to the reference passes that of the other one."""
    metric = embedded.metric
    near, far = embedded.distances()
    away = metric.decision_radius(embedded.near, embedded.reference, far - slack)
    closer = metric.decision_radius(embedded.far, embedded.reference, near + slack)
    radius = torch.where(embedded.right_is_near == right_moves, away, closer)
    return torch.where(far - near > slack, radius, 0.0)
