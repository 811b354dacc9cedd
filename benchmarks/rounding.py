"""What float32 costs the certificates of a metric: a line for each data set.

    python -m benchmarks.rounding --metric lipsim --data photos --data nights:PATH

A metric answers in float32, its radii are computed in float64, and what the two may differ by is taken off
every radius (docs/certificates.md, section 2). Printed are the largest difference met and the most taken off.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from perceptbench.certifiers.certify import certify
from perceptbench.certifiers.embedded import Embedded, lipschitz_only
from perceptbench.certifiers.margin import Margin
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import LipschitzMetric
from perceptbench.metrics.base import metric as metrics
from perceptbench.metrics.seen import Seen
from perceptbench.triplets.base import Triplets, TripletSource, triplets

_BATCH = 32


@dataclass(frozen=True, slots=True)
class Rounding:
    """The worst over triplets.

    Args:
        n: triplets.
        margin: how far the difference of the two distances in float32 is from that in float64.
        radius: what is taken off a radius for it, in pixel l2.
        radii: the largest radius, beside which that is small or not.
        norm: the smallest norm of a reference's embedding.
    """

    n: int
    margin: float
    radius: float
    radii: float
    norm: float

    def __add__(self, other: "Rounding") -> "Rounding":
        return Rounding(
            self.n + other.n,
            max(self.margin, other.margin),
            max(self.radius, other.radius),
            max(self.radii, other.radii),
            min(self.norm, other.norm),
        )


def measure(metric: LipschitzMetric, batch: Triplets) -> Rounding:
    """The worst of one batch."""
    seen = Seen(metric, batch.images)
    with torch.no_grad():
        near, far = Embedded.of(metric.double(), seen.embedded_exact, batch.label).distances()
        near32, far32 = Embedded.of(metric, seen.embedded, batch.label).distances()
    proof = certify(Margin(), metric, batch, seen=seen)
    margin = ((far32.double() - near32.double()) - (far - near)).abs().max()
    least = proof.norm_ref.min()
    return Rounding(len(batch.ids), float(margin), float(proof.error.max()), float(proof.radius.max()), float(least))


def over(metric: LipschitzMetric, source: TripletSource) -> Rounding:
    """The worst of a data set. Raises UserError for one without triplets."""
    found = list(_batches(metric, source))
    if not found:
        raise UserError("expected triplets, got none; give --data with some")
    total = found[0]
    for one in found[1:]:
        total += one
    return total


def _batches(metric: LipschitzMetric, source: TripletSource) -> Iterator[Rounding]:
    for start in range(0, len(source), _BATCH):
        yield measure(metric, source.batch(source.entries[start : start + _BATCH]))


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rounding", description=__doc__.splitlines()[0])
    parser.add_argument("--metric", default="lipsim", help="a metric with a Lipschitz constant (lipsim)")
    parser.add_argument("--data", action="append", help="triplets; repeat for more (photos)")
    parser.add_argument(
        "--limit", type=int, default=1000, help="at most so many triplets of each, a fixed shuffle (1000)"
    )
    asked = parser.parse_args()
    metric = lipschitz_only(metrics.build(Ref.parse(asked.metric)), "margin")
    print("| data | n | margin off by at most | taken off a radius, at most (l2) | largest radius | smallest norm |")
    print("|---|---:|---:|---:|---:|---:|")
    for text in asked.data or ["photos"]:
        ref = Ref.parse(text)
        worst = over(metric, triplets.build(ref).limited(asked.limit))
        figures = f"{worst.margin:.1e} | {worst.radius:.1e} | {worst.radii:.2f} | {worst.norm:.2f}"
        print(f"| {ref.name} | {worst.n} | {figures} |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"rounding: {error}")
