"""The one entry to every certifier: radii in the norm of the threat."""

from dataclasses import replace

import torch

from perceptbench.certifiers.base import Certifier, Proof
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
    together = 3 if threat.move == "all" and not threat.separate and threat.norm == "l2" else 1
    widest = (together * batch.reference[0].numel()) ** 0.5
    return in_norm(replace(proof, radius=proof.radius.clamp(max=widest)), threat.norm, batch.reference)


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
