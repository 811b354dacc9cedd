"""`python -m benchmarks.fuzz`: tries every surface, shows what failed, keeps figures and minimised cases."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fuzz import corpus
from benchmarks.fuzz.hunt import hunt, imported, named
from benchmarks.reliability import Line, keep
from perceptbench.core.errors import UserError

CASES = 10_000
CAMPAIGN = "fuzz"


def main() -> None:
    """Exit status 1 where a case failed."""
    asked = _arguments()
    if asked.keep and asked.only:
        raise UserError("--keep writes the figures of all surfaces; leave out --only")
    imported()
    surfaces, lines = named(asked.only), []
    whole, failed = sum(surface.share for surface in surfaces), 0
    with tempfile.TemporaryDirectory() as folder:
        for surface in surfaces:
            share, started = surface.share / whole, time.monotonic()
            cases = max(1, -(-asked.cases * surface.share // whole))
            found = hunt(surface, cases, asked.seed, Path(folder), seconds=asked.seconds * share)
            lines.append(Line(CAMPAIGN, surface.name, found.cases, len(found.examples), time.monotonic() - started))
            print(f"{surface.name}: {found.cases:,} cases, {found.failing:,} failing in {len(found.examples)} kinds",
                  flush=True)  # fmt: skip
            for failure, case in found.examples.values():
                print(f"  {failure.kind}: {failure.told}\n    {case[:300]!r} ({len(case)} bytes)", flush=True)
                if asked.corpus and (path := corpus.add(surface, failure, case)):
                    print(f"    kept in {path}")
            failed += len(found.examples)
    print(f"{sum(line.cases for line in lines):,} cases, {failed} kinds of failure")
    if asked.keep:
        keep(lines)
    sys.exit(bool(failed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description="Files and words from strangers.")
    parser.add_argument("--cases", type=int, default=CASES, help=f"over all surfaces ({CASES})")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin nothing after so many")
    parser.add_argument("--only", action="append", help="a surface; repeat for more (all)")
    parser.add_argument("--seed", type=int, default=0, help="seed of every case")
    parser.add_argument("--corpus", action="store_true", help="keep a minimised case of each kind of failure")
    parser.add_argument("--keep", action="store_true", help="write the figures into docs/reliability.md")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"fuzz: {error}")
