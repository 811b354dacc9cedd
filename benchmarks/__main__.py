"""`python -m benchmarks`: measure, show, keep."""

import argparse
import time
from pathlib import Path

from benchmarks import against, budget_sweep, machine, measurements, memory, share, startup, steps, whole
from benchmarks.session import Session
from perceptbench.core.device import Device

# In this order: the last makes do with the time that is left.
ITEMS = {
    "startup": startup.measure,
    "memory": memory.measure,
    "share": share.measure,
    "sweep": budget_sweep.measure,
    "upstream": against.measure,
    "whole": whole.measure,
    "step": steps.measure,
}
MINUTES = 28.0
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure the items asked for, one after the other, and print a row as it is done."""
    asked = _arguments()
    started = time.monotonic()
    session = Session(
        device=Device(asked.device).resolve(), quick=asked.quick, until=started + 60 * asked.minutes, peak=asked.peak
    )
    facts = machine.facts()
    print(measurements.table(facts, []), flush=True)
    for name in asked.only or ITEMS:
        since = time.monotonic()
        ITEMS[name](session)
        print(f"<!-- {name}: {(time.monotonic() - since) / 60:.1f} min -->", flush=True)
    minutes = (time.monotonic() - started) / 60
    missed = [f"{row.item} {row.metric} batch {row.batch}: {row.what}" for row in session.rows if row.passed is False]
    print(f"\n{minutes:.1f} minutes; bars missed: {'; '.join(missed) or 'none'}")
    if asked.quick and asked.to is None:
        print("quick: these numbers mean nothing and were not kept")
        return
    print(f"kept in {measurements.write(asked.to or RESULTS, machine.slug(facts), facts, session.rows, minutes)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory, ours beside others.")
    parser.add_argument("--only", action="append", choices=list(ITEMS), help="one item; repeat for more")
    parser.add_argument("--quick", action="store_true", help="the smallest sizes, to see that it runs; keeps nothing")
    parser.add_argument("--to", type=Path, help="folder of the results (benchmarks/results)")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="begin no repetition after so many (28)")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where to compute")
    parser.add_argument("--peak", type=float, default=0.0, help="TFLOP/s of the device at best: adds the share of it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
