"""The one entry to every certifier: radii in the norm of the threat."""

from dataclasses import fields, replace

import torch
from torch import Tensor

from perceptbench.certifiers.base import Certifier, Proof
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.metrics.seen import Seen
from perceptbench.triplets.base import Triplets


@torch.no_grad()
def certify(
    certifier: Certifier,
    metric: Metric,
    batch: Triplets,
    threat: Threat = Threat(),  # noqa: B008 - frozen
    noise: Noise | None = None,
    seen: Seen | None = None,
) -> Proof:
    """Certify a batch against a threat.

    Certifiers work in pixel l2. |delta|_inf <= e implies |delta|_2 <= e sqrt(3 h w), so budgets and radii
    in l-infinity are converted with that factor (docs/certificates.md, section 7). A radius ends
    at the distance of a black image from a white one: no two images in [0, 1] are further apart.

    Args:
        threat: who moves; budgets and radius are in its norm.
        noise: one source a sample, for certifiers that draw at random.
        seen: the images of the batch, where the caller has compared them already: none is embedded again.

    Raises UserError as the certifier does.
    """
    certifier.admit(threat)
    scale = _scale(threat.norm, batch.reference)
    if seen is None:
        seen = Seen(metric, batch.images)
    proof = certifier.prove(seen, batch.label, _scaled(threat, scale), noise)
    check_proof(proof, certifier, len(batch.ids), "prove")
    together = 3 if threat.move == "all" and not threat.separate and threat.norm == "l2" else 1
    widest = (together * batch.reference[0].numel()) ** 0.5
    return in_norm(replace(proof, radius=proof.radius.clamp(max=widest)), threat.norm, batch.reference)


def check_proof(proof: Proof, certifier: Certifier, n: int, method: str) -> None:
    """Raises UserError for anything but a proof of this many samples whose radii are numbers.

    `method` is the one of the certifier that gave it.
    """
    name = f"the certifier {type(certifier).__name__}"
    if not isinstance(proof, Proof) or not all(isinstance(getattr(proof, one.name), Tensor) for one in fields(Proof)):
        raise UserError(f"{name}: expected a Proof of four tensors, got {type(proof).__name__}; mend {method}")
    if {tuple(getattr(proof, one.name).shape) for one in fields(Proof)} != {(n,)}:
        raise UserError(
            f"{name}: expected ({n},) for each part of a Proof, got {tuple(proof.radius.shape)}; mend {method}"
        )
    if not bool((proof.radius >= 0).all()):
        raise UserError(f"{name} gave a radius that is negative or no number; claim 0 where nothing is proved")


def in_norm(proof: Proof, norm: Norm, x: Images) -> Proof:
    """A proof in pixel l2 as one in this norm, for images of the size of x."""
    scale = _scale(norm, x)
    return replace(proof, radius=proof.radius / scale, error=proof.error / scale)


def _scale(norm: Norm, x: Images) -> float:
    """How much longer a change of size 1 in this norm may be in l2."""
    return float(x[0].numel() ** 0.5) if norm == "linf" else 1.0


def _scaled(threat: Threat, scale: float) -> Threat:
    if threat.eps_left is None or threat.eps_right is None:
        return threat
    return replace(threat, eps_left=threat.eps_left * scale, eps_right=threat.eps_right * scale)
