"""Run by test_faults.py with the library preloaded: the fault campaign on a small command, faults planted in it."""

import contextlib
import json
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import FunctionType

from benchmarks.faults.cases import Bed, call_cases, cases
from benchmarks.faults.disturbed import DisturbedCommand
from benchmarks.faults.shim import FAULTS
from benchmarks.forked import forked
from benchmarks.fuzz.surfaces import stored_runs
from perceptbench.bench import cli
from perceptbench.results import store
from perceptbench.results.store import RunStore

IDS = {"first": stored_runs.RUN, "second": "ba9876543210"}


def command() -> None:
    """Keeps a run of two shards, unless it is there."""
    name, found = IDS[sys.argv[1]], RunStore(Path("runs"))
    if found.get(name) is not None:
        return
    record = replace(stored_runs.record(), run=name)
    with found.writer(name) as writer:
        for sample in ("a", "b"):
            if sample not in set(writer.done["id"]):
                writer.add(record.samples[record.samples["id"] == sample].reset_index(drop=True))
        writer.finish(record)


def directly(path, write):  # type: ignore[no-untyped-def]
    """A write without a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)


def swallowed(path, write, whole=store.write_atomically):  # type: ignore[no-untyped-def]
    """An error that nobody hears of."""
    with contextlib.suppress(OSError):
        whole(path, write)


def raw(path, write, whole=store.write_atomically):  # type: ignore[no-untyped-def]
    """An error that no command knows."""
    try:
        whole(path, write)
    except OSError as error:
        raise RuntimeError("planted") from error


def as_ours(function: FunctionType) -> FunctionType:
    """The same function as if it stood in a file of ours: what fails in this one is the matter of its author."""
    code = function.__code__.replace(co_filename=store.__file__)
    return FunctionType(code, function.__globals__, function.__name__, function.__defaults__)


PLANTED = {"nothing": store.write_atomically, "directly": directly, "swallowed": swallowed, "raw": as_ours(raw)}


def campaign(folder: Path, planted: str, first: int, stride: int, name: str) -> None:
    """Print the first failure."""
    cli.app = as_ours(command)  # type: ignore[assignment]
    subject = DisturbedCommand("a small command", (("first",),), ("second",), "runs")
    bed = Bed(subject, folder / "bed")
    store.write_atomically = PLANTED[planted]
    faults = tuple(fault for fault in FAULTS if fault.name == name)
    tried = call_cases(bed, first=first, stride=stride, faults=faults) if faults else cases(bed, stride=stride)
    if failure := next((one for one in tried if one is not None), None):
        print(failure)
    print(f"{bed.calls} calls")


def main() -> None:
    """Each planted fault in a forked process: the imports cost far more than the cases. Prints how they ended."""
    folder, given = Path(sys.argv[1]), json.loads(sys.argv[2])
    ended = {}
    for planted, *words in given:
        own = folder / planted
        own.mkdir()
        ended[planted] = asdict(forked(partial(campaign, own, planted, *words), own / "said", seconds=600))
    print(json.dumps(ended))


if __name__ == "__main__":
    main()
