"""The gate under other seeds: attacks run again, certificates as they are in the baseline."""

from pathlib import Path

import pytest
from baselines import baseline, run

from benchmarks import seeds
from perceptbench.core.errors import UserError
from perceptbench.results.gate.worse import Finding

PROVED = run(["1 11 -"] * 20)
BEFORE = run(["1 11 11"] * 20, attack="l2-pgd")
KNOWN = baseline(PROVED, BEFORE, run(["1 11 11"] * 20, metric="ssim", attack="l2-pgd"))


@pytest.fixture
def outcomes(monkeypatch):
    """What the attack finds under each seed; plans are the runs themselves."""
    words: dict[int, list[str]] = {}

    def rerun(plans, runs):
        return [], [
            run(words[one.spec["seed"]], metric=one.spec["metric"], attack="l2-pgd", seed=one.spec["seed"])
            for one in plans
        ]

    monkeypatch.setattr(seeds, "plans_of", lambda runs, *_: runs)
    monkeypatch.setattr(seeds, "rerun", rerun)
    return words


def test_a_line_a_seed_says_what_moved_and_what_failed(outcomes) -> None:
    outcomes |= {
        1: ["1 11 11"] * 20,
        2: ["1 11 10"] * 3 + ["1 11 11"] * 17,
        3: ["1 11 00"] * 20,
    }
    same, little, broken = seeds.tried(KNOWN, range(1, 4), Path())
    assert (same.seed, same.moved, same.lost, same.failed) == (1, 0, 0, ())
    assert (little.seed, little.moved, little.lost, little.failed) == (2, 2, 3, ())
    assert (broken.moved, broken.lost) == (4, 20)
    assert broken.failed == ("psnr l2-pgd 1.0", "psnr l2-pgd 2.0", "ssim l2-pgd 1.0", "ssim l2-pgd 2.0")


def test_a_broken_certificate_is_said(outcomes, monkeypatch) -> None:
    broken = Finding(metric="psnr", what="invariant", failed=True, sentence="psnr: flipped inside its radius.")
    monkeypatch.setattr(seeds, "rerun", lambda *_: ([broken], []))
    with pytest.raises(UserError, match="inside its radius"):
        list(seeds.tried(KNOWN, range(1, 2), Path()))
