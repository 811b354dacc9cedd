"""`bench audit`: searches for images where the Lipschitz constant behind the proofs is exceeded."""

from dataclasses import dataclass, field

import typer

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import JSON, SEED
from perceptbench.core.device import DEVICE
from perceptbench.core.option import option
from perceptbench.core.plain_json import json_line


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
    from perceptbench.bench.api.audit import audit as search

    metric, data = request.metric, request.data
    found = search(metric, data, request.limit, seed=request.seed, device=request.device)
    bound = found.proved_bound
    if request.json:
        result = {
            "metric": metric,
            "data": data,
            "n": found.n,
            "largest_slope": found.largest_slope,
            "largest_ratio": found.largest_ratio,
            "proved_bound": bound,
            "min_norm": found.min_norm,
            "holds": None if bound is None else not found.refuted,
        }
        answer(json_line(result))
    else:
        proved = "nothing is proved of it" if bound is None else f"proved: at most {bound:.9g}"
        answer(
            f"{metric} on {found.n} images of {data}: "
            f"|g(a) - g(b)| / |a - b| reached {found.largest_ratio:.9g} "
            f"(slope at an image: {found.largest_slope:.9g}); {proved}; smallest |g|: {found.min_norm:.4g}"
        )
        if found.refuted:
            answer("The bound is exceeded, so no certificate of this metric holds.")
    if found.refuted:
        raise typer.Exit(1)
