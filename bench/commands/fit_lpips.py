"""The work of `bench train lpips`: hold out triplets, fit, score before and after, write weights and record."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from perceptbench.bench.answers import answer
from perceptbench.core.errors import UserError
from perceptbench.core.files import weights_target, write_atomically
from perceptbench.core.ref import Ref
from perceptbench.metrics.features.lpips import published
from perceptbench.metrics.features.lpips_file import save_lpips
from perceptbench.metrics.features.lpips_net import LPIPSNet
from perceptbench.results.statistics.estimates import Estimate, clustered_mean, natural_credit
from perceptbench.training.hold_out import Split, hold_out, require_fitting
from perceptbench.training.lpips.fit import answers, fit
from perceptbench.training.lpips.lpips_config import LPIPSConfig
from perceptbench.triplets.base import TripletSource, triplets


def run(data: str, to: Path, config: LPIPSConfig, limit: int | None, command: str) -> None:
    """Fit, write `to` and `<to>.json`, and print both scores. Raises UserError before anything is embedded."""
    config.checked()
    weights_target(to)
    source = triplets.build(Ref.parse(data)).limited(limit)
    require_fitting(source)
    split = hold_out(source, config.hold_out, config.seed)
    references = [entry.images[0] if entry.images else entry.id for entry in split.held.entries]
    if len(set(references)) < 2:
        raise UserError(
            f"{data}: expected held-out triplets of two references or more, got one; choose another --hold-out"
        )
    net = published(config.net)
    before = _credits(net, split.held)
    curve = fit(net, split.learn, config)
    after = _credits(net, split.held)
    scores = {"stock": before, "trained": after, "gain": after - before}
    estimates = {name: clustered_mean(credit, references, config.seed) for name, credit in scores.items()}
    save_lpips(net, to, tuned=config.tune == "trunk")
    record = {
        "schema": 1,
        "command": command,
        "config": asdict(config),
        "data": {"name": source.name, "n": len(source), "sha256": source.sha256, **_sizes(split)},
        "curve": curve,
        "held_out": {name: asdict(estimate) for name, estimate in estimates.items()},
        "torch": torch.__version__,
    }
    text = json.dumps(record, indent=1)
    write_atomically(to.with_suffix(".json"), lambda part: part.write_text(text + "\n"))
    answer(_summary(split, estimates))
    answer(f"{to}\nNext: bench run --metric lpips:{to} --attack l2-apgd-ce --eps 1.0")


def _credits(net: LPIPSNet, held: TripletSource) -> np.ndarray:
    """What each held-out triplet adds to the score (n,)."""
    d0, d1 = (d.numpy() for d in answers(net, held))
    share = np.array([entry.right_share for entry in held.entries])
    correct = np.where(share > 0.5, d1 < d0, d0 < d1)
    return natural_credit(pd.DataFrame({"right_share": share, "correct": correct, "d0": d0, "d1": d1}))


def _sizes(split: Split) -> dict[str, int]:
    return {"learnt_from": len(split.learn), "held_out": len(split.held), "mixed": split.mixed}


def _summary(split: Split, estimates: Mapping[str, Estimate]) -> str:
    lines = [
        f"learnt from {len(split.learn)} triplets, held out {len(split.held)}; "
        f"{split.mixed} with images of both kinds left out"
    ]
    for name, e in estimates.items():
        lines.append(f"{name:8} {100 * e.value:5.1f}  [{100 * e.low:.1f}, {100 * e.high:.1f}]  on the {e.n} held out")
    return "\n".join(lines)
