"""Small baselines made by hand."""

from collections.abc import Mapping, Sequence

from perceptbench.core.spec import Options
from perceptbench.results.gate.baseline import Baseline, BaselineRun
from perceptbench.results.gate.sample_outcome import SampleOutcome
from perceptbench.results.tasks.base import Measure

MACHINE = {"cpu": "a", "device": "cpu", "threads": 1, "versions": {"torch": "2"}}
SAME = {"weights": "w", "metric": "m"}
"""Fingerprints of a metric. Runs of equal ones must agree; where there are none, tests decide."""


def run(
    words: Sequence[str],
    metric: str = "psnr",
    attack: str | None = None,
    *,
    part: Mapping[str, str] | None = None,
    machine: Mapping[str, object] | None = None,
    attacked: Measure = "stands",
    **options: object,
) -> BaselineRun:
    """A run of psnr on photos at eps 1 and 2, with these outcomes for the triplets t0, t1, ..."""
    certifier = None if words[0].split(" ")[1] == "-" else "margin"
    spec = {
        "metric": metric, "data": "photos", "attack": attack, "certifier": certifier, "norm": "l2", "eps": [1.0, 2.0],
        "task": "preference", "threat": "l2", "goal": "flip",
        **Options().options(), **options, "arguments": {}, "fingerprints": {"data": "0" * 64, **(part or {})},
    }  # fmt: skip
    return BaselineRun(
        run="0" * 12, spec=spec, machine=machine or {}, confidence=1 if certifier else None, attacked=attacked,
        outcomes={f"t{i}": SampleOutcome.parse(word, "stands", attacked) for i, word in enumerate(words)},
    )  # fmt: skip


def baseline(*runs: BaselineRun) -> Baseline:
    """Of these runs, with the usual tolerance and alpha."""
    return Baseline(updated="2026-01-01", reason="by hand", runs=runs)
