"""Proofs for perceptual hashes: how far an image may move before a match at a threshold of bits changes.

Evasion and collision are one question. So many more of some bits must flip than of the others: of those that agree, for
a match to be lost; of those that differ, for one to be made. docs/hashes.md has the theorem.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from perceptbench.certifiers.base import Proof, certifier
from perceptbench.certifiers.bit_cost import Code, least_length
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.metrics.hashes.levels import LEVELS, UNSURE, on_grid
from perceptbench.metrics.hashes.provable import ProvableHash
from perceptbench.metrics.seen import Seen


@certifier("hash", source="this repository: docs/hashes.md")
@dataclass(frozen=True)
class Hash:
    """The smallest change of an image that flips enough bits, from below; ties, clipping and rounding are paid for.

    Images that the hash's users do not trust (PDQ: quality below 50) have no radius and count as abstained.
    """

    confidence: ClassVar[float] = 1.0

    def sound(self, metric: Metric) -> bool:
        provable(metric)
        return True

    def admit(self, threat: Threat) -> None:
        if threat.move != "reference":
            raise UserError(
                f"the certifier 'hash' knows of one moving image, got --move {threat.move}; use --certifier none"
            )

    def promise(self, metric: Metric) -> str:
        return "proof: no smaller change of the image turns the match at the threshold"

    def prove(self, seen: Seen, label: PerImage, threat: Threat, noise: Noise | None) -> Proof:
        raise UserError(
            "the certifier 'hash' proves matches at a threshold of bits and no preference between two images; use "
            "--task matching --tau 31, or --certifier none"
        )

    def prove_decision(self, seen: Seen, tau: float | PerImage, threat: Threat) -> Proof:
        metric, x = provable(seen.metric), seen.images["reference"]
        height, width = x.shape[-2:]
        ours, others = (metric.represent(seen.images[name]) for name in ("reference", "other"))
        length = torch.stack(
            [
                torch.tensor(match_length(code, other, float(threshold)), dtype=torch.float64)
                for code, other, threshold in zip(
                    codes(metric, x, ours), others.cpu().numpy(), torch.as_tensor(tau).expand(len(x)), strict=True
                )
            ]
        ).to(x.device)
        picture = metric.needed(length, height, width)
        radius = picture if threat.quantized else _before_rounding(metric, picture, x)
        radius = radius - _from_grid(x)
        trusted = metric.usable(x) & metric.usable(seen.images["other"])
        radius = torch.where(trusted, radius.clamp_min(0), 0.0)
        return Proof(radius, torch.zeros_like(radius), seen.norm("reference"), ~trusted)


def provable(metric: Metric) -> ProvableHash:
    """The metric itself, if its bits can be proved. Raises UserError otherwise."""
    if not isinstance(metric, ProvableHash):
        raise UserError(
            f"the certifier 'hash' proves pdq and phash, and nothing of {type(metric).__name__}; use one of these"
        )
    return metric


def codes(metric: ProvableHash, x: Images, bits: Tensor) -> list[Code]:
    """Images as the proof sees them, with the bits (n, k) that the library gave."""
    values, off = metric.exact(x).cpu().numpy(), metric.off(x).tolist()
    scale, linear = metric.scale(*x.shape[-2:]).cpu().numpy(), metric.linear
    return [
        Code(c, scale, b, linear.above, linear.below, e)
        for c, b, e in zip(values, bits.cpu().numpy(), off, strict=True)
    ]


def match_length(code: Code, other: np.ndarray, tau: float) -> float:
    """The least length of a change of values that turns `bits that differ <= tau`, a match, into its opposite.

    Args:
        other: the bits (k,) of the image that stays.
        tau: the threshold; any number.
    """
    differ = code.bits != other
    distance, most = int(differ.sum()), int(np.floor(np.clip(tau, -1, len(other))))
    if distance <= most:
        return least_length(code, ~differ, most + 1 - distance)
    return least_length(code, differ, distance - most)


def _before_rounding(metric: ProvableHash, picture: PerImage, x: Images) -> PerImage:
    """How far a float image may move before its 8-bit picture has moved by `picture` (n,).

    Seen from a picture, rounding at most doubles a change of a pixel: it gives a whole level from half a level on. And
    it adds at most half a level to each, hence half a level to its grey value, the weights of which add up to 1.
    """
    height, width = x.shape[-2:]
    half = 0.5 + UNSURE
    luma = float(np.linalg.norm(metric.linear.luma))
    doubled = picture * (1 - half)
    added = picture - half * (height * width) ** 0.5 / (LEVELS * luma)
    return torch.maximum(doubled, added)


def _from_grid(x: Images) -> PerImage:
    """How far each image is from its 8-bit picture."""
    return (x.double() - on_grid(x)).flatten(1).norm(dim=1)
