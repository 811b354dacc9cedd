"""DDN by an outside library (foolbox): one triplet at a time, its result judged by our own margin and norm."""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from perceptbench.attacks.norms import size
from perceptbench.attacks.objectives import FlipPreference
from perceptbench.core.errors import UserError
from perceptbench.core.files import write_atomically
from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.core.spec import canonical_json
from perceptbench.core.tensors import Images
from perceptbench.metrics.base import metric
from perceptbench.metrics.identity import weights_sha256
from perceptbench.results.record import Record
from perceptbench.triplets.base import Triplets, triplets

STEPS = 100


class MarginLogits(nn.Module):
    """A classifier that answers 0 until the objective is reached."""

    def __init__(self, objective: FlipPreference) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, x: Images) -> Tensor:
        half = self.objective.loss(x) / 2
        return torch.stack((-half, half), dim=1)


def smallest_flips(record: Record, folder: Path) -> Mapping[str, float]:
    """The l2 norm of the flip that DDN found for each triplet of a run, infinity where it found none.

    Kept in `folder` under the identity of metric and data. Raises UserError where foolbox is missing,
    or metric or data are no longer those of the run.
    """
    spec = record.spec
    identity = {"steps": STEPS, "limit": spec["limit"]} | {
        key: spec["fingerprints"][key] for key in ("weights", "data", "libraries")
    }
    name = hashlib.sha256(canonical_json(identity | {"metric": spec["metric"]}).encode()).hexdigest()[:12]
    path = folder / f"ddn-{name}.json"
    if path.exists():
        return {key: float(value) for key, value in json.loads(path.read_text(encoding="utf-8")).items()}
    found = _run(spec)
    text = json.dumps({key: str(value) for key, value in found.items()}, indent=1)
    write_atomically(path, lambda part: part.write_text(text + "\n", encoding="utf-8"))
    return found


def _run(spec: Mapping[str, Any]) -> dict[str, float]:
    built = metric.build(Ref.parse(spec["metric"]))
    source = triplets.build(Ref.parse(spec["data"])).limited(spec["limit"])
    known = spec["fingerprints"]
    if (weights_sha256(built), source.sha256) != (known["weights"], known["data"]):
        raise UserError(f"{spec['metric']} or {spec['data']} has changed since the run; give its command again")
    found = {}
    for i, entry in enumerate(source.entries):
        one = source.batch([entry])
        objective = FlipPreference.make(built, one.left, one.right, one.label)
        found[entry.id] = ddn(objective, one)
        print(f"\r  foolbox DDN on {spec['metric']}: {i + 1} of {len(source)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def ddn(objective: FlipPreference, one: Triplets) -> float:
    """The l2 norm of foolbox's flip of a single triplet; infinity where it is none, 0 for a wrong answer."""
    try:
        import foolbox
    except ImportError:
        raise UserError("the outside DDN needs foolbox: pip install 'perceptbench[bench]'") from None
    if bool(objective.reached(objective.value(one.reference))):
        return 0.0
    model = foolbox.PyTorchModel(MarginLogits(objective).eval(), bounds=(0, 1), device=one.reference.device)
    label = torch.zeros(1, dtype=torch.long, device=one.reference.device)
    with forked_rng(0):
        attacked, _, _ = foolbox.attacks.DDNAttack(steps=STEPS)(model, one.reference, label, epsilons=None)
    attacked = attacked.detach().clamp(0, 1)
    if not bool(objective.reached(objective.value(attacked))):
        return torch.inf
    return float(size(attacked - one.reference, "l2"))
