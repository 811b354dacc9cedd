"""Does `bench check` pass when nothing changed but the seed? Its attacks again, with other random numbers.

    python -m benchmarks.seeds --seeds 20

Certified scores draw none, so their outcomes are those of the baseline.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from perceptbench.bench.gate_runs import plans_of, rerun
from perceptbench.core.errors import UserError
from perceptbench.results.gate.baseline import Baseline, BaselineRun
from perceptbench.results.gate.baseline_file import read
from perceptbench.results.gate.worse import ScoreComparison, compare

DEFAULT = Path(__file__).parents[1] / "results/baselines/default.json"


@dataclass(frozen=True, slots=True)
class Try:
    """One gate: scores of another value than in the baseline, the most triplets that one lost, what failed."""

    seed: int
    moved: int
    lost: int
    failed: tuple[str, ...]

    @classmethod
    def of(cls, seed: int, found: list[ScoreComparison]) -> "Try":
        """What a comparison with the baseline says."""
        return cls(
            seed,
            sum(bool(one.lost or one.gained) for one in found),
            max(len(one.lost) for one in found),
            tuple(f"{one.metric} {one.method} {one.eps}" for one in found if one.verdict == "worse"),
        )


def tried(known: Baseline, seeds: range, runs: Path) -> Iterator[Try]:
    """A gate for each seed. Raises UserError where a certificate was broken."""
    for seed in seeds:
        attacked = [run for run in known.runs if run.spec["attack"]]
        plans = plans_of([replace(run, spec={**run.spec, "seed": seed}) for run in attacked], None, "cpu")
        broken, now = rerun(plans, runs)
        if broken:
            raise UserError(broken[0].sentence)
        yield Try.of(seed, compare(known, _in_order(known, now)))


def _in_order(known: Baseline, attacked: list[BaselineRun]) -> list[BaselineRun]:
    """The runs of the baseline, those with an attack in their new form."""
    new = iter(attacked)
    return [next(new) if run.spec["attack"] else run for run in known.runs]


def main() -> None:
    """Print a line a seed; exit status 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__.splitlines()[0])
    parser.add_argument("--baseline", type=Path, default=DEFAULT, help="the matrix (the shipped one)")
    parser.add_argument("--seeds", type=int, default=20, help="how many, from 1 on (20)")
    parser.add_argument("--runs", type=Path, default=Path("runs/seeds"), help="folder of the runs")
    asked = parser.parse_args()
    print("| seed | scores that moved | most triplets lost in one | failed |\n|---:|---:|---:|---|")
    failed = False
    for one in tried(read(asked.baseline), range(1, asked.seeds + 1), asked.runs):
        print(f"| {one.seed} | {one.moved} | {one.lost} | {', '.join(one.failed) or 'none'} |", flush=True)
        failed |= bool(one.failed)
    sys.exit(int(failed))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"seeds: {error}")
