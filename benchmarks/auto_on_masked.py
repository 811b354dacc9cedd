"""What `auto` takes from metrics that hide their gradients: `python -m benchmarks.auto_on_masked`.

The embedded photographs at 32 x 32; the answer of the plain metric is the right one. Beside each masked metric stand
its score after `l2-aa`, which sees no gradient, after `auto`, and that of its plain form after `l2-aa`.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F

import perceptbench as pb
from perceptbench.core.errors import Notice

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from masked_metrics import AfterJpeg, Clamped, Plain, RoundedTo, Staircase, WithCrops  # type: ignore[import-not-found]

SIDE = 32
"""Of the images. They are given in memory, where images keep their size."""
MASKED = {
    "rounded to 1e-6": RoundedTo, "steps of 1e-4": Staircase, "clamped ramps": Clamped, "random crops": WithCrops,
    "JPEG 75 inside": AfterJpeg,
}  # fmt: skip


def images(limit: int | None) -> list[torch.Tensor]:
    """Reference, left and right, (n, 3, 32, 32)."""
    batch = pb.data("photos")[:limit]
    return [F.interpolate(x, size=SIDE, mode="area") for x in (batch.reference, batch.left, batch.right)]


def robust(metric: Any, x: Sequence[torch.Tensor], label: torch.Tensor, attack: str, eps: float) -> pd.DataFrame:
    """The samples after an attack."""
    reference, left, right = x
    return pb.attack(metric, reference, left, right, attack, eps, label=label).samples


def main(words: Sequence[str] | None = None) -> None:
    """Print a line a metric and eps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--eps", default="0.2,0.5")
    given = parser.parse_args(words)
    x = images(given.limit)
    label = (Plain()(x[0], x[2]) < Plain()(x[0], x[1])).float()
    warnings.simplefilter("ignore", Notice)
    print("| metric | eps | n | natural | l2-aa | auto | what auto added has broken | plain form, l2-aa |")
    for eps in map(float, given.eps.split(",")):
        plain = robust(Plain(), x, label, "l2-aa", eps)["robust"]
        for name, make in MASKED.items():
            blind = robust(make(), x, label, "l2-aa", eps)
            auto = robust(make(), x, label, "auto", eps)
            broke = auto.loc[auto["broken_by"].str.contains(" "), "broken_by"].value_counts()
            gained = ", ".join(f"{part} {n}" for part, n in broke.items()) or "-"
            scores = [100 * one.mean() for one in (blind["correct"], blind["robust"], auto["robust"], plain)]
            natural, before, after, beside = (f"{score:.1f}" for score in scores)
            print(
                f"| {name} | {eps:g} | {len(auto)} | {natural} | {before} | {after} | {gained} | {beside} |", flush=True
            )


if __name__ == "__main__":
    main()
