"""What lies between the proof and the attack on lipsim: `python -m benchmarks.sandwich nights:FOLDER`.

The radius is a lower bound of the smallest flip, and what an attack finds is an upper bound. Each triplet that is
answered rightly is asked where the distance between the two comes from: from the float reserve, from an attack that
could have found less, or from a network that moves more slowly than its proved constant allows.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

import perceptbench as pb
from perceptbench.attacks.objectives import FlipPreference
from perceptbench.certifiers.embedded import Embedded
from perceptbench.certifiers.margin import Margin
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import LipschitzMetric
from perceptbench.metrics.seen import Seen
from perceptbench.triplets.base import Triplets

EPS = (0.5, 1.0, 2.0, 3.0)
FAR = 100.0
"""A budget beyond every flip, so that a minimal attack shows the size of each."""
_AT_ONCE = 8


def sizes(data: str, attack: str, move: str, certifier: str, limit: int | None) -> pd.DataFrame:
    """Radius and smallest flip of each triplet that is answered rightly, by its id."""
    run = pb.run("lipsim", attack, FAR, data, move=move, certifier=certifier, limit=limit, batch_size=_AT_ONCE)
    samples = run.samples()
    right = samples[samples["correct"]].set_index("id")
    return pd.DataFrame({"radius": right["radius"], "flip": right["size"].where(~right["robust"], np.inf)})


def local(metric: LipschitzMetric, batch: Triplets) -> pd.DataFrame:
    """The radius without a reserve, and the size of the flip if the embedding were linear around the reference.

    Radius: <g, w> / |w| with L = 1; linear size: <g, w> / |J^T w|, with the Jacobian J of the embedding there. Their
    ratio says how much more slowly the embedding moves towards the flip than it may.
    """
    seen = Seen(metric, {"reference": batch.reference, "left": batch.left, "right": batch.right})
    exact = Embedded.of(metric.double(), seen.embedded_exact, batch.label)
    ideal = Margin().radius(exact, Threat(), torch.zeros(len(batch.ids), dtype=torch.float64))
    goal = FlipPreference.make(metric, batch.left, batch.right, batch.label)
    loss, gradient = goal.gradient(batch.reference)
    return pd.DataFrame(
        {"ideal": ideal, "linear": -loss.double() / gradient.double().flatten(1).norm(dim=1)}, batch.ids
    )


def between(sandwich: pd.DataFrame, flips: str, radii: str) -> pd.DataFrame:
    """Shares of the right answers at each eps: proved, broken, and neither."""
    proved = [float((sandwich[radii] > eps).mean()) for eps in EPS]
    broken = [float((sandwich[flips] <= eps).mean()) for eps in EPS]
    return pd.DataFrame({"proved": proved, "broken": broken, "neither": 1 - np.add(proved, broken)}, EPS)


def quartiles(ratio: pd.Series) -> str:
    """First quartile / median / third quartile."""
    return " / ".join(f"{value:.3f}" for value in ratio.quantile([0.25, 0.5, 0.75]))


def main(words: Sequence[str] | None = None) -> None:
    """Print the shares and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="what --data takes")
    parser.add_argument("--steps", type=int, default=100, help="of the attack beside the longer one")
    parser.add_argument("--longer", type=int, default=500, help="steps of the longer one")
    parser.add_argument("--limit", type=int)
    given = parser.parse_args(words)
    one = sizes(given.data, f"l2-fmn(steps={given.steps})", "reference", "margin", given.limit)
    one["longer"] = sizes(given.data, f"l2-fmn(steps={given.longer})", "reference", "margin", given.limit)["flip"]
    one["best"] = one[["flip", "longer"]].min(axis=1)
    metric: Any = pb.metric("lipsim").inner
    data = pb.data(given.data)
    at = [i for i, name in enumerate(data.ids) if name in one.index]
    found = [local(metric, data[i]) for i in at]
    one = one.join(pd.concat(found))
    every = sizes(given.data, f"l2-fmn(steps={given.steps})", "all", "margin", given.limit)
    simple = sizes(given.data, "l2-fmn(steps=1)", "all", "margin(exact=false)", given.limit)["radius"]
    print(f"n = {len(one)} right answers; the reference moves\n{between(one, 'best', 'radius').round(3)}")
    print(f"n = {len(every)} right answers; all three move\n{between(every, 'flip', 'radius').round(3)}")
    for name, ratio in {
        "smallest flip / radius": one["best"] / one["radius"],
        f"flip of {given.steps} steps / of {given.longer}": one["flip"] / one["best"],
        "radius without reserve / with": one["ideal"] / one["radius"],
        "linear size / radius without reserve": one["linear"] / one["ideal"],
        "smallest flip / linear size": one["best"] / one["linear"],
        "all move: smallest flip / radius": every["flip"] / every["radius"],
        "all move: exact cones / simple bound": every["radius"] / simple,
    }.items():
        print(f"{name}: {quartiles(ratio.replace([np.inf, -np.inf], np.nan).dropna())}")


if __name__ == "__main__":
    main()
