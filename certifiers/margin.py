"""The best radius of the metric's own embedding (docs/certificates.md, sections 2 and 4)."""

from dataclasses import dataclass
from typing import cast

import torch

from perceptbench.certifiers.base import Proof, certifier
from perceptbench.certifiers.decision import decision_proof, interval_proof
from perceptbench.certifiers.embedded import PROOF, Embedded, EmbeddingCertifier, lipschitz_only
from perceptbench.core.tensors import PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.metrics.seen import Seen

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
        """In pixel l2: budgets are multiplied by the Lipschitz constant, and the space's radius divided by it."""
        lipschitz = embedded.metric.lipschitz
        if threat.move == "reference":
            nothing = torch.zeros_like(slack)
            found = embedded.metric.space.separate_radius(embedded.answer(slack), nothing, nothing, True)
        elif threat.move != "all":
            found = _anchor_radius(embedded, threat.move == "right", slack)
        elif threat.separate:
            budgets = (lipschitz * cast(float, eps) for eps in (threat.eps_left, threat.eps_right))
            left, right = (torch.full_like(slack, eps) for eps in budgets)
            near = torch.where(embedded.right_is_near, right, left)
            answer = embedded.answer(slack)
            found = embedded.metric.space.separate_radius(answer, near, left + right - near, self.exact)
        elif threat.norm == "l2":
            found = embedded.metric.space.shared_radius(embedded.answer(slack), self.exact)
        else:
            found = self._same_for_each(embedded, slack)
        return found / lipschitz

    def prove_decision(self, seen: Seen, tau: float | PerImage, threat: Threat) -> Proof:
        return decision_proof(seen, "reference", "other", tau, threat)

    def prove_interval(self, seen: Seen, eps: float) -> tuple[PerImage, PerImage]:
        return interval_proof(seen, "reference", "other", eps)

    def _same_for_each(self, embedded: Embedded, slack: PerImage) -> PerImage:
        """The largest e such that each of the three embeddings may move by e, found from below."""
        answer = embedded.answer(slack)

        def reference_radius(anchors_move: PerImage) -> PerImage:
            return embedded.metric.space.separate_radius(answer, anchors_move, anchors_move, self.exact)

        low = torch.zeros_like(slack)
        high = reference_radius(low)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            safe = reference_radius(middle) > middle
            low, high = torch.where(safe, middle, low), torch.where(safe, high, middle)
        return low


def _anchor_radius(embedded: Embedded, right_moves: bool, slack: PerImage) -> PerImage:
    """One anchor moves: until its distance to the reference passes that of the other one."""
    space = embedded.metric.space
    near, far = embedded.distances()
    away = space.decision_radius(embedded.near, embedded.reference, far - slack)
    closer = space.decision_radius(embedded.far, embedded.reference, near + slack)
    radius = torch.where(embedded.right_is_near == right_moves, away, closer)
    return torch.where(far - near > slack, radius, 0.0)
