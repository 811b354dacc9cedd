"""Small baselines made by hand."""

from collections.abc import Sequence

from perceptbench.core.spec import Options
from perceptbench.results.gate.baseline import Baseline, BaselineRun


def run(words: Sequence[str], metric: str = "psnr", attack: str | None = None, **options: object) -> BaselineRun:
    """A run of psnr on photos at eps 1 and 2, with these outcomes for the triplets t0, t1, ..."""
    spec = {
        "metric": metric, "data": "photos", "attack": attack, "certifier": "margin", "norm": "l2", "eps": [1.0, 2.0],
        "task": "preference", "threat": "l2", "goal": "flip",
        **Options().options(), **options, "arguments": {}, "fingerprints": {"data": "0" * 64},
    }  # fmt: skip
    return BaselineRun(run="0" * 12, spec=spec, outcomes={f"t{i}": word for i, word in enumerate(words)})


def baseline(*runs: BaselineRun) -> Baseline:
    """Of these runs, with the usual tolerance and alpha."""
    return Baseline(updated="2026-01-01", reason="by hand", runs=runs)
