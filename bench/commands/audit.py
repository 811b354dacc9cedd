"""`bench audit`: searches for images where the Lipschitz constant behind the proofs is exceeded."""

import json as json_module
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import JSON, SEED
from perceptbench.core.device import DEVICE, Device
from perceptbench.core.option import option

if TYPE_CHECKING:
    from perceptbench.certifiers.audit import Audit
    from perceptbench.metrics.base import EmbeddingMetric
    from perceptbench.triplets.base import TripletSource


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRequest:
    """Which metric to search, and the images to start from."""

    metric: str = field(metadata=option("One metric with an embedding."))
    data: str = field(default="photos", metadata=option("Whose reference images the search starts from."))
    limit: int = field(default=8, metadata=option("Only this many images (a fixed shuffle).", min=1))
    seed: int = field(default=0, metadata=SEED)
    device: str = field(default="auto", metadata=DEVICE)
    json: bool = field(default=False, metadata=JSON)


@command()
def audit(request: AuditRequest) -> None:
    """Measure how fast an embedding moves, beside what is proved; exit status 1 where it moves faster."""
    import torch

    from perceptbench.core.errors import UserError
    from perceptbench.core.spec import Ref
    from perceptbench.metrics.base import EmbeddingMetric
    from perceptbench.metrics.base import metric as registry
    from perceptbench.triplets.base import triplets

    metric, data = request.metric, request.data
    where = Device(request.device).resolve()
    built = registry.build(Ref.parse(metric)).to(where)
    if not isinstance(built, EmbeddingMetric):
        raise UserError(f"{metric} has no embedding to audit; try --metric lipsim")
    source = triplets.build(Ref.parse(data)).limited(request.limit)
    found = searched(built, source, request.seed, where)
    bound = found[0].bound
    refuted = any(one.refuted for one in found)
    result = {
        "metric": metric,
        "data": data,
        "n": len(source),
        "largest_slope": max(float(one.slope.max()) for one in found),
        "largest_ratio": max(one.largest for one in found),
        "proved_bound": bound,
        "min_norm": float(torch.cat([one.norm for one in found]).min()),
        "holds": None if bound is None else not refuted,
    }
    if request.json:
        print(json_module.dumps(result, allow_nan=False))
    else:
        proved = "nothing is proved of it" if bound is None else f"proved: at most {bound:.9g}"
        print(
            f"{metric} on {len(source)} images of {data}: "
            f"|g(a) - g(b)| / |a - b| reached {result['largest_ratio']:.9g} "
            f"(slope at an image: {result['largest_slope']:.9g}); {proved}; smallest |g|: {result['min_norm']:.4g}"
        )
        if refuted:
            print("The bound is exceeded, so no certificate of this metric holds.")
    if refuted:
        raise typer.Exit(1)


def searched(metric: "EmbeddingMetric", source: "TripletSource", seed: int, device: str) -> list["Audit"]:
    """What an audit finds from every reference image of a source, in batches."""
    from perceptbench.certifiers.audit import audit as search
    from perceptbench.core.noise import Noise

    found = []
    for start in range(0, len(source), _BATCH):
        batch = source.batch(source.entries[start : start + _BATCH]).to(device)
        found.append(search(metric, batch.reference, Noise.make(seed, batch.ids)))
    return found


_BATCH = 4
