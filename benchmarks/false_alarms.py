"""How often `bench check` fails by chance, and how large a drop it sees: by simulation of a matrix.

    python -m benchmarks.false_alarms

The matrix is that of results/baselines/default.json in shape: certified scores of two metrics over nine
budgets on one set of triplets, attacked ones of three metrics over two budgets on fewer.
"""

from bisect import bisect_left
from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy.stats import binom

from perceptbench.results.gate.baseline import Baseline
from perceptbench.results.gate.worse import decide
from perceptbench.results.statistics.comparison import Paired

CERTIFIED, ATTACKED = 342, 32
PROVED_EPS = np.array([36 / 255, 72 / 255, 108 / 255, 1, 2, 3, 4, 6, 8])
ATTACKED_EPS = np.array([1.0, 3.0])
BASELINE = Baseline(updated="", reason="", runs=())
TRIALS = 2000
SCORES = 2 * (1 + len(PROVED_EPS)) + 3 * len(ATTACKED_EPS) + 1


def main() -> None:
    """Print both tables in Markdown."""
    rng = np.random.default_rng(0)
    print(f"{SCORES} scores, alpha {BASELINE.alpha:g}, tolerance {BASELINE.tolerance:g} points, {TRIALS} trials\n")
    print("| noise of a radius | triplets that move, % of the certified | false alarms, % |\n|---:|---:|---:|")
    for noise in (0.02, 0.1, 0.3, 1.0, 3.0):
        gates = [list(as_good(noise, rng)) for _ in range(TRIALS)]
        moved = np.mean([(one.lost + one.gained) / one.n for gate in gates for one in gate[: 1 + len(PROVED_EPS)]])
        print(f"| {noise:g} | {100 * moved:.1f} | {100 * np.mean([fails(gate) for gate in gates]):.2f} |")
    print("\n| n | triplets gained meanwhile, % | drop seen in 80 % of trials, points |\n|---:|---:|---:|")
    for n in (ATTACKED, 200, CERTIFIED):
        for gained in (0.0, 0.02):
            print(f"| {n} | {100 * gained:g} | {smallest_drop(n, gained, rng):.1f} |")


def as_good(noise: float, rng: np.random.Generator) -> Iterator[Paired]:
    """A gate of networks no worse than before: the radius of a triplet is drawn twice around one value."""
    for _ in range(2):
        before, now = radii(CERTIFIED, noise, rng)
        yield from (paired(before, now, eps) for eps in (0.0, *PROVED_EPS))
    for i in range(3):
        before, now = radii(ATTACKED, noise, rng)
        yield from (paired(before, now, eps) for eps in (*ATTACKED_EPS, *([0.0] if i == 2 else [])))


def radii(n: int, noise: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Signed radii of n triplets: mostly right answers, some by little."""
    middle = rng.normal(2.5, 2.0, n)
    return middle + noise * rng.standard_normal(n), middle + noise * rng.standard_normal(n)


def paired(before: np.ndarray, now: np.ndarray, eps: float) -> Paired:
    """What was lost and gained at one budget."""
    lost, gained = (before > eps) & (now <= eps), (before <= eps) & (now > eps)
    return counted(len(before), int(lost.sum()), int(gained.sum()))


def counted(n: int, lost: int, gained: int) -> Paired:
    """Counts as `decide` takes them; its p-values are its own."""
    return Paired(n=n, gained=gained, lost=lost, exact=1.0, corrected=1.0)


def fails(gate: list[Paired]) -> bool:
    """Whether any score of a gate is worse."""
    # Holm rejects nothing where it does not reject the smallest p-value: most gates need no more than this.
    if min(tail(one.lost, one.gained) for one in gate) * len(gate) > BASELINE.alpha:
        return False
    return any(verdict == "worse" for _, _, verdict in decide(gate, BASELINE))


@cache
def tail(lost: int, gained: int) -> float:
    """The p-value of one score."""
    return float(binom.sf(lost - 1, lost + gained, 0.5)) if lost else 1.0


def smallest_drop(n: int, gained: float, rng: np.random.Generator) -> float:
    """In points: where one score alone drops, and all others stay as they were, in steps of half a point."""

    def seen(half_points: int) -> bool:
        drop = half_points / 200
        counts = rng.multinomial(n, [drop + gained, gained, 1 - drop - 2 * gained], TRIALS)
        return float(np.mean([worse(n, int(lost), int(won)) for lost, won, _ in counts])) >= 0.8

    return bisect_left(range(120), True, lo=1, key=seen) / 2


@cache
def worse(n: int, lost: int, gained: int) -> bool:
    """Whether one score of the matrix fails where no other moved."""
    return fails([counted(n, lost, gained), *[counted(n, 0, 0)] * (SCORES - 1)])


if __name__ == "__main__":
    main()
