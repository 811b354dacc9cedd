"""`python -m benchmarks.soundness`: attack certificates, show what was tried, keep the figures."""

import argparse
import sys
import time

import torch

from benchmarks.reliability import Line, keep
from benchmarks.soundness.attacked_pairs import PairCount, campaign
from benchmarks.soundness.hash_matches import hash_matches
from benchmarks.soundness.network_matches import SIDE, network_matches
from benchmarks.soundness.shipped_lipsim import shipped
from perceptbench.core.errors import UserError

PAIRS, SHIPPED, HASHES, MATCHES = 100_000, 200, 10_000, 10_000
CAMPAIGN = "soundness"


def main() -> None:
    """Exit status 1 where an answer was flipped inside a radius that was called sound."""
    asked = _arguments()
    torch.set_num_threads(1)
    lines = []
    started = time.monotonic()
    small = campaign(asked.pairs, asked.seed, seconds=asked.seconds)
    lines.append(_line("16-pixel networks and metrics of known geometry: pairs", small, started))
    for metric, pairs in sorted(small.by_metric.items()):
        print(f"{pairs:8,} pairs  {metric}")
    violations = list(small.violations)
    if asked.shipped:
        started = time.monotonic()
        whole = shipped(asked.shipped, asked.seed)
        violations += whole.violations
        lines.append(_line("the shipped lipsim on photographs: pairs", whole, started))
    if asked.matches:
        started = time.monotonic()
        found = network_matches(asked.matches, asked.seed)
        violations += found.violations
        lines.append(_line(f"matches of networks on {SIDE} pixels: pairs", found, started))
        for metric, pairs in sorted(found.by_metric.items()):
            print(f"{pairs:8,} pairs  {metric}")
    if asked.hashes:
        started = time.monotonic()
        matches = hash_matches(asked.hashes, asked.seed)
        violations += matches.violations
        lines.append(_line("pdq and phash on pieces of photographs: pairs", matches, started))
        for metric, pairs in sorted(matches.by_metric.items()):
            print(f"{pairs:8,} pairs  {metric}")
    for line in lines:
        print(f"{line.what}: {line.cases:,} tried, {line.failures:,} violated, {line.seconds:.0f} s")
    for one in violations:
        print(one)
    if asked.keep:
        keep(lines)
    sys.exit(bool(violations))


def _line(what: str, tally: PairCount, started: float) -> Line:
    return Line(CAMPAIGN, what, tally.pairs, tally.flipped, time.monotonic() - started)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soundness", description="Certificates beside attacks.")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"certified triplets times attacks ({PAIRS})")
    parser.add_argument("--shipped", type=int, default=SHIPPED, help=f"triplets of the shipped lipsim ({SHIPPED})")
    parser.add_argument("--matches", type=int, default=MATCHES, help=f"matches of 32-pixel networks ({MATCHES})")
    parser.add_argument("--hashes", type=int, default=HASHES, help=f"certified matches times attacks ({HASHES})")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin nothing after so many; 16 px only")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number")
    parser.add_argument("--keep", action="store_true", help="write the figures into docs/reliability.md")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"soundness: {error}")
