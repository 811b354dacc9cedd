"""Records made up by hand: no metric is run here."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from perceptbench.results.record import COLUMNS, Record

MakeRecord = Callable[..., Record]


def _samples(eps: tuple[float, ...], correct: np.ndarray, flip_at: np.ndarray, radius: np.ndarray) -> pd.DataFrame:
    n = len(correct)
    frames = []
    for budget in eps:
        frame = pd.DataFrame({"id": [f"t{i}" for i in range(n)], "group": "", "eps": budget, "label": 1})
        frame["right_share"], frame["d0"] = 1.0, 0.5
        frame["d1"] = np.where(correct, 0.2, 0.8)
        frame["correct"], frame["robust"] = correct, correct & (flip_at > budget)
        frame["d0_adv"], frame["d1_adv"], frame["d_self"] = 0.5, 0.5, 0.01 * budget * (1 + np.arange(n) / n)
        frame["size"], frame["broken_by"], frame["radius"] = budget, "", np.where(correct, radius, 0.0)
        frame["norm_ref"], frame["forwards"], frame["backwards"] = 1.0, 10.0, 10.0
        frame["content"] = ""
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)[list(COLUMNS)].astype(COLUMNS)


@pytest.fixture
def make_record() -> MakeRecord:
    """A record with flips and radii of the given scale; `attack=None` or `certifier=None` for none."""

    def make(
        metric: str = "lipsim",
        *,
        run: str = "0123456789ab",
        data: str = "photos",
        attack: str | None = "l2-aa",
        certifier: str | None = "margin",
        norm: str = "l2",
        eps: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0),
        n: int = 64,
        natural: float = 0.9,
        flip: float = 4.0,
        proved: float = 2.0,
        unit: str = "percent",
        sound: bool | None = True,
        time: str = "2026-01-01T00:00:00+00:00",
        weights: str = "aa",
        seed: int = 0,
    ) -> Record:
        random = np.random.default_rng(sum(map(ord, metric)))
        correct = np.arange(n) < round(natural * n)
        flip_at = random.gamma(4, flip / 4, n) if attack else np.full(n, np.inf)
        radius = np.minimum(flip_at * 0.9, random.gamma(3, proved / 3, n)) if certifier else np.zeros(n)
        return Record(
            run=run,
            spec={
                "metric": metric, "data": data, "attack": attack, "certifier": certifier, "norm": norm,
                "eps": list(eps), "seed": seed, "limit": None, "skip_certified": True,
                "arguments": {"metric": {}, "data": {}, "attack": {"steps": 100}, "certifier": {}},
                "fingerprints": {"weights": weights, "data": "d" * 64, "code": "c" * 64, "torch": "2.9.0"},
            },
            provenance={"time": time, "commit": "f" * 40, "dirty": False, "versions": {"torch": "2.9.0", "timm": None}},
            samples=_samples(eps, correct, flip_at, radius),
            facts={
                "unit": unit, "parts": [{"part": "apgd-ce", "starts": 3, "steps": 100}],
                "sound": sound if certifier else None, "n": n, "ties": 3, "note": "constructed, not human",
                "resumed": 0, "seconds": 12.5,
                "forwards": 640.0, "backwards": 640.0, "min_norm_ref": 1.0,
            },
        )  # fmt: skip

    return make


@pytest.fixture
def four_metrics(make_record: MakeRecord) -> list[Record]:
    """A set as a first evening of measuring would give it."""
    return [
        make_record("lipsim", run="a" * 12, natural=0.86, flip=5, proved=3),
        make_record("effnet-lite0", run="b" * 12, natural=0.95, flip=0.25, certifier=None),
        make_record("psnr", run="c" * 12, natural=0.61, attack=None, proved=4),
        make_record("ssim", run="d" * 12, natural=0.66, flip=0.6, certifier=None),
    ]
