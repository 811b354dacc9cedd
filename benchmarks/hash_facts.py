"""What docs/hashes.md says of photographs: `python -m benchmarks.hash_facts FOLDER...` counts bits, radii and attacks.

Every photograph of the folders is resized to 224 x 224 by Pillow. A radius is that of "the copy still matches", for the
photograph itself as the copy.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from perceptbench.attacks.guided import Guided
from perceptbench.attacks.l2_hash import L2Hash
from perceptbench.attacks.objectives import CrossThreshold
from perceptbench.certifiers.bit_cost import Code
from perceptbench.certifiers.hash import Hash, match_length
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import metric
from perceptbench.metrics.hashes.hash_metric import HashMetric
from perceptbench.metrics.hashes.provable import ProvableHash
from perceptbench.metrics.seen import Seen

SIDE = 224
NAMES = ("pdq", "phash", "dhash", "ahash")
MATCHES = (("pdq", 31), ("phash", 4), ("phash", 10))
_AT_ONCE = 16


def photographs(folder: Path) -> Tensor:
    """Those of a folder (n, 3, 224, 224), by name."""
    files = sorted(p for p in folder.rglob("*") if p.suffix in (".jpg", ".jpeg", ".png", ".webp"))
    levels = [np.array(Image.open(p).convert("RGB").resize((SIDE, SIDE))) for p in files]
    return torch.from_numpy(np.stack(levels)).permute(0, 3, 1, 2) / 255


def differing_bits(made: HashMetric, x: Tensor) -> tuple[int, int]:
    """Bits in which the form and the library differ, and all bits."""
    wrong = bits = 0
    for part in x.split(_AT_ONCE):
        values = made.exact(part) if isinstance(made, ProvableHash) else made.linear.values(part)
        given = made.represent(part)
        wrong += int(((values > made.linear.threshold(values)[:, None]) != given).sum())
        bits += given.numel()
    return wrong, bits


def linear_radii(made: ProvableHash, x: Tensor, tau: int) -> Tensor:
    """Radii (n,) of the linear form: no library rounds and clips like this, so they bind none."""
    values, linear = made.linear.values(x).numpy(), made.linear
    scale, bits = linear.scale(SIDE, SIDE).numpy(), made.represent(x).numpy()
    found = [
        match_length(Code(c, scale, b, linear.above, linear.below), b, tau) for c, b in zip(values, bits, strict=True)
    ]
    return torch.tensor(found) / linear.stretch(SIDE, SIDE) ** 0.5


def attacked(made: ProvableHash, x: Tensor, tau: int) -> Tensor:
    """The size (n,) of the smallest change with which `l2-hash` hides each copy; infinite where it finds none."""
    soft, stakes = made.surrogate(), torch.ones(len(x), dtype=torch.bool)
    own, guide = (CrossThreshold(one.prepare(x), float(tau), 1, stakes) for one in (made, soft))
    changed = L2Hash()(Guided(own, guide, soft), x, 1.0, Noise.make(0, [str(i) for i in range(len(x))]))
    size = (changed.double() - x.double()).flatten(1).norm(dim=1)
    return torch.where(own.reached(own.value(changed)), size, torch.inf)


def quartiles(values: Tensor) -> str:
    """First quartile, median and third quartile."""
    return " / ".join(f"{float(q):.2f}" for q in np.quantile(values.numpy(), (0.25, 0.5, 0.75)))


def main() -> None:
    """Print the facts, one a line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hash_facts", description="Hashes on photographs.")
    parser.add_argument("folders", type=Path, nargs="+", help="photographs")
    parser.add_argument("--radii", type=int, default=0, help="photographs of the first folder to prove and attack")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for folder in asked.folders:
        x = photographs(folder)
        counts = [(name, *differing_bits(_made(name), x)) for name in NAMES]
        print(f"{folder.name}, {len(x)}: " + ", ".join(f"{name} {wrong} of {bits}" for name, wrong, bits in counts))
        print(f"  PDQ trusts {int(_proved('pdq').usable(x).sum())} of {len(x)}", flush=True)
    if asked.radii:
        x = photographs(asked.folders[0])[: asked.radii]
        for name, tau in MATCHES:
            _radii(_proved(name), x, tau)


def _radii(made: ProvableHash, x: Tensor, tau: int) -> None:
    seen = Seen(made, {"reference": x, "other": x})
    linear = linear_radii(made, x, tau)
    for said, quantized in (("any change", False), ("8-bit changes", True)):
        radius = Hash().prove_decision(seen, float(tau), Threat(quantized=quantized)).radius
        share = 100 * (radius > 0).double().mean()
        print(
            f"{made.name} at {tau}, n {len(x)}, {said}: radius {quartiles(radius)}, positive {share:.1f} %", flush=True
        )
    size = torch.cat([attacked(made, part, tau) for part in x.split(_AT_ONCE)])
    print(f"  linear radius {quartiles(linear)}; l2-hash {quartiles(size)}, over linear {quartiles(size / linear)}")
    print(
        f"  inside a radius: {int((size < Hash().prove_decision(seen, float(tau), Threat()).radius).sum())}", flush=True
    )


def _made(name: str) -> HashMetric:
    found: Sequence[HashMetric] = [one for one in [metric.build(Ref(name))] if isinstance(one, HashMetric)]
    return found[0]


def _proved(name: str) -> ProvableHash:
    found: Sequence[ProvableHash] = [one for one in [metric.build(Ref(name))] if isinstance(one, ProvableHash)]
    return found[0]


if __name__ == "__main__":
    main()
