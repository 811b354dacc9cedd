"""Who broke what: l2-aa beside upstream's attacks and an outside DDN, on the same triplets.

    python -m benchmarks.strength --runs runs
    python -m benchmarks.strength --runs runs --data nights:FOLDER --limit 0

It reads finished runs and names the commands that make those it lacks; only the DDN is run here.
The last column is what must be 0: triplets that another broke and l2-aa left standing.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.outside import smallest_flips
from perceptbench.core.errors import UserError
from perceptbench.core.ref import parse_eps, split_list
from perceptbench.results.record import Record
from perceptbench.results.store import RunStore

OURS = "l2-aa"
OTHERS = ("autoattack:apgd-ce", "autoattack:square", "torchattacks:PGDL2")
DDN = "foolbox DDN"


def broken(record: Record, eps: float) -> set[str]:
    """Triplets answered rightly that the attack broke within eps."""
    at = record.samples[record.samples["eps"] == eps]
    return set(at["id"][at["correct"] & ~at["robust"]])


def correct(record: Record) -> set[str]:
    """Triplets answered rightly before any attack."""
    return set(record.samples["id"][record.samples["correct"]])


def line(name: str, data: str, eps: float, right: set[str], fallen: Mapping[str, set[str]]) -> str:
    """A row of the table; `fallen` has l2-aa first."""
    ours, *others = fallen.values()
    missed = sorted(set().union(*others) - ours)
    counts = " | ".join(str(len(found)) for found in fallen.values())
    return f"| {name} | {data} | {eps:g} | {len(right)} | {counts} | {len(missed)} {' '.join(missed)}".rstrip() + " |"


def compare(records: Mapping[str, Record], flips: Mapping[str, float] | None, budgets: Sequence[float]) -> list[str]:
    """The rows of one metric on one data set."""
    ours = records[OURS]
    ids = {attack: set(record.samples["id"]) for attack, record in records.items()}
    if len(set(map(frozenset, ids.values()))) > 1:
        raise UserError(f"the runs of {ours.spec['metric']} are about different triplets; give them again")
    rows, right = [], correct(ours)
    for eps in budgets:
        fallen = {attack: broken(record, eps) & right for attack, record in records.items()}
        if flips is not None:
            fallen[DDN] = {name for name in right if flips[name] <= eps}
        rows.append(line(ours.spec["metric"], ours.spec["data"], eps, right, fallen))
    return rows


def find(
    store: RunStore, budgets: Sequence[float], name: str, data: str, limit: int | None
) -> tuple[dict[str, Record], list[str]]:
    """The newest finished run of every attack with these budgets, and the attacks that have none."""
    records, missing = {}, []
    for attack in (OURS, *OTHERS):
        fitting = [
            r for r in store.select(attack=attack, norm="l2", metric=name, data=data, limit=limit) if _plain(r, budgets)
        ]
        if fitting:
            records[attack] = fitting[-1]
        else:
            missing.append(attack)
    return records, missing


def _plain(record: Record, budgets: Sequence[float]) -> bool:
    """Whether it has the budgets and flips the answer by moving the reference, as all here do."""
    default = {"goal": "flip", "move": "reference", "quantize": None, "protocol": "ours"}
    return set(budgets) <= set(record.spec["eps"]) and all(record.spec.get(k, v) == v for k, v in default.items())


def main() -> None:
    """Print the table and what is missing."""
    asked = _arguments()
    budgets, limit = parse_eps([asked.eps]), asked.limit or None
    store, lacking = RunStore(asked.runs), []
    columns = ("metric", "data", "eps", "correct", OURS, *OTHERS, *(() if asked.no_ddn else (DDN,)), f"not by {OURS}")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name in split_list([asked.metric]):
        for data in split_list([asked.data]):
            records, missing = find(store, budgets, name, data, limit)
            if missing:
                limited = f" --limit {limit}" if limit else ""
                lacking += [
                    f"bench run --metric '{name}' --data '{data}' --attack '{attack}' --eps {asked.eps}{limited} "
                    f"--runs {asked.runs}" for attack in missing
                ]  # fmt: skip
                continue
            flips = None if asked.no_ddn else smallest_flips(records[OURS], asked.runs)
            print("\n".join(compare(records, flips, budgets)), flush=True)
    if lacking:
        print("\nNot yet run:\n" + "\n".join(lacking))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strength", description="Who broke what.")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of finished runs")
    parser.add_argument("--metric", default="lipsim,ssim,effnet-lite0", help="a comma list")
    parser.add_argument("--data", default="photos", help="a comma list")
    parser.add_argument("--limit", type=int, default=64, help="as in the runs; 0 for all")
    parser.add_argument("--eps", default="0.5,1,2", help="budgets")
    parser.add_argument("--no-ddn", action="store_true", help="leave the outside DDN out")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"strength: {error}")
