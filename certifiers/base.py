"""What a certifier answers: how far images may move before the answer to a triplet can change."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from perceptbench.core.noise import Noise
from perceptbench.core.registry import Registry
from perceptbench.core.tensors import Mask, PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.metrics.seen import Seen


@dataclass(frozen=True, slots=True)
class Proof:
    """Radii (n,) in pixel l2, or in the norm of the threat once `certify` hands them out.

    `radius` is safe to claim, 0 where nothing is; `error` is what float32 took off it; `norm_ref` is
    |g(reference)|, NaN for a metric without embedding; `abstained` marks samples on which a
    method that draws at random gave no answer.
    """

    radius: PerImage
    error: PerImage
    norm_ref: PerImage
    abstained: Mask


@runtime_checkable
class Certifier(Protocol):
    """Bounds a radius from below. Fields of the dataclass are its arguments."""

    def sound(self, metric: Metric) -> bool:
        """Whether its radii bind the metric itself: no change within one flips the metric's answer.

        Where they do not, `promise` says what they are. Raises UserError for a metric of which the
        method knows nothing.
        """
        ...

    def admit(self, threat: Threat) -> None:
        """Raises UserError for a threat it cannot answer for."""
        ...

    @property
    def confidence(self) -> float:
        """1 for a proof, 1 - alpha for a method that draws at random."""
        ...

    def promise(self, metric: Metric) -> str:
        """What a radius means for this metric, in one short phrase."""
        ...

    def prove(self, seen: Seen, label: PerImage, threat: Threat, noise: Noise | None) -> Proof:
        """Radii in pixel l2 of a batch of triplets.

        Args:
            seen: the images "reference", "left" and "right" as the metric sees them.
            label: (n,), 1 where people preferred the right image, else 0.
            threat: who moves; in pixel l2 too, but for `norm`, which says what is shared.
            noise: one source a sample, for certifiers that draw at random.

        Raises UserError for a metric it cannot answer for, or without the noise it needs.
        """
        ...


@runtime_checkable
class DecisionCertifier(Certifier, Protocol):
    """A certifier that also proves decisions on pairs: whether two images match at a threshold.

    One that knows nothing of triplets raises UserError in `prove`.
    """

    def prove_decision(self, seen: Seen, tau: float | PerImage, threat: Threat) -> Proof:
        """Radii (n,) in pixel l2 within which `d(reference, other) <= tau` keeps its truth, for matches and others.

        A distance of exactly tau is a match. Both images are in [0, 1] before and after a change.

        Args:
            seen: the images "reference", which moves, and "other".
            tau: the threshold, one for all or one a pair (n,).
            threat: who moves. Of `move="reference"` the radius bounds the change of the reference. Of `move="all"` both
                move: where `norm` is l2 the radius bounds both changes as one vector, else each of them.

        Raises UserError for a metric or a threat it cannot answer for.
        """
        ...


@runtime_checkable
class IntervalCertifier(Certifier, Protocol):
    """A certifier that also bounds distances: how near and how far two images may come."""

    def prove_interval(self, seen: Seen, eps: float) -> tuple[PerImage, PerImage]:
        """Bounds (n,) of `d(reference, other)` while "reference" moves by at most eps in pixel l2.

        Raises UserError for a metric it cannot answer for.
        """
        ...


certifier: Registry[Certifier] = Registry("certifier", "perceptbench.certifiers", of=Certifier)
