"""How often `bench check` fails by chance, and how large a drop it sees: by simulation of a matrix.

    python -m benchmarks.false_alarms

The matrix is that of results/baselines/default.json in shape: certified scores of two metrics over nine
budgets on one set of triplets, attacked ones of three metrics over two budgets on fewer.
"""

from bisect import bisect_left
from collections.abc import Iterator
from functools import cache

import numpy as np

from perceptbench.results.gate.baseline import Baseline
from perceptbench.results.gate.decide import Evidence, counted, decide
from perceptbench.results.rows import Kind

CERTIFIED, ATTACKED = 342, 32
PROVED_EPS = np.array([36 / 255, 72 / 255, 108 / 255, 1, 2, 3, 4, 6, 8])
ATTACKED_EPS = np.array([1.0, 3.0])
BASELINE = Baseline(updated="", reason="", runs=())
SEEN: tuple[tuple[int, Kind], ...] = ((ATTACKED, "attack"), (200, "certificate"), (CERTIFIED, "certificate"))
TRIALS = 2000
SCORES: dict[Kind, int] = {"natural": 3, "certificate": 2 * len(PROVED_EPS), "attack": 3 * len(ATTACKED_EPS)}


def main() -> None:
    """Print both tables in Markdown."""
    rng = np.random.default_rng(0)
    scores = sum(SCORES.values())
    print(f"{scores} scores, alpha {BASELINE.alpha:g}, tolerance {BASELINE.tolerance:g} points, {TRIALS} trials\n")
    print("| noise of a radius | triplets that move, % of the certified | false alarms, % |\n|---:|---:|---:|")
    for noise in (0.02, 0.1, 0.3, 1.0, 3.0):
        gates = [list(as_good(noise, rng)) for _ in range(TRIALS)]
        before, now = radii(100_000, noise, rng)
        moved = np.mean([(before > eps) != (now > eps) for eps in (0.0, *PROVED_EPS)])
        print(f"| {noise:g} | {100 * moved:.1f} | {100 * np.mean([fails(gate) for gate in gates]):.2f} |")
    print("\n| n | kind | gained meanwhile, % | drop seen in 80 % of trials, points |\n|---:|---|---:|---:|")
    for n, kind in SEEN:
        for gained in (0, 0.02):
            print(f"| {n} | {kind} | {100 * gained:g} | {smallest_drop(kind, n, gained, rng):.1f} |")


def as_good(noise: float, rng: np.random.Generator) -> Iterator[Evidence]:
    """A gate of networks no worse than before: the radius of a triplet is drawn twice around one value."""
    for _ in range(2):
        before, now = radii(CERTIFIED, noise, rng)
        yield paired("natural", before, now, 0.0)
        yield from (paired("certificate", before, now, eps) for eps in PROVED_EPS)
    for i in range(3):
        before, now = radii(ATTACKED, noise, rng)
        yield from (paired("attack", before, now, eps) for eps in ATTACKED_EPS)
        if i == 2:
            yield paired("natural", before, now, 0.0)


def radii(n: int, noise: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Signed radii of n triplets: mostly right answers, some by little."""
    middle = rng.normal(2.5, 2.0, n)
    return middle + noise * rng.standard_normal(n), middle + noise * rng.standard_normal(n)


def paired(kind: Kind, before: np.ndarray, now: np.ndarray, eps: float) -> Evidence:
    """What was lost and gained at one budget."""
    lost, gained = (before > eps) & (now <= eps), (before <= eps) & (now > eps)
    return counted(kind, len(before), int(lost.sum()), int(gained.sum()))


def fails(gate: list[Evidence]) -> bool:
    """Whether any score of a gate is worse."""
    return any(verdict == "worse" for _, verdict in decide(gate, BASELINE))


def smallest_drop(kind: Kind, n: int, gained: float, rng: np.random.Generator) -> float:
    """In points: where one score alone drops, and all others stay as they were, in steps of half a point."""

    def seen(half_points: int) -> bool:
        drop = half_points / 200
        counts = rng.multinomial(n, [drop + gained, gained, 1 - drop - 2 * gained], TRIALS)
        return float(np.mean([worse(kind, n, int(lost), int(won)) for lost, won, _ in counts])) >= 0.8

    return bisect_left(range(120), True, lo=1, key=seen) / 2


@cache
def worse(kind: Kind, n: int, lost: int, gained: int) -> bool:
    """Whether one score of the matrix fails where no other of its kind moved."""
    return fails([counted(kind, n, lost, gained), *[counted(kind, n, 0, 0)] * (SCORES[kind] - 1)])


if __name__ == "__main__":
    main()
