"""`python -m benchmarks.faults`: builds the library, starts itself again with it, tries every case, keeps figures."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.faults.campaign import campaign
from benchmarks.faults.shim import build, environment, preloaded
from perceptbench.core.errors import UserError


def main() -> None:
    """Exit status 1 where a case left something broken."""
    asked = _arguments()
    if asked.keep and asked.stride > 1:
        raise UserError("--keep writes the figures of every call; leave out --stride")
    if not preloaded():
        with tempfile.TemporaryDirectory() as folder:
            library = build(Path(folder))
            sys.exit(os.spawnve(os.P_WAIT, sys.executable, _same_command(), environment(library)))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        failures = campaign(Path(folder), stride=asked.stride, only=asked.only, kept=asked.keep)
    print(f"{len(failures)} failures, {time.monotonic() - started:.0f} s")
    sys.exit(bool(failures))


def _same_command() -> list[str]:
    return [sys.executable, "-m", "benchmarks.faults", *sys.argv[1:]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description="A fault at every writing call.")
    parser.add_argument("--stride", type=int, default=1, help="every n-th call only (1)")
    parser.add_argument("--only", action="append", help="a subject, such as 'bench run'; repeat for more (all)")
    parser.add_argument("--keep", action="store_true", help="write the figures into docs/reliability.md")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"faults: {error}")
