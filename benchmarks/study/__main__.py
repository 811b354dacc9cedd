"""An architecture study of LipSim: one thing changed at a time, the same number of steps for all.

    python -m benchmarks.study --images imagenette224.tar --steps 1500 --data photos --data nights:FOLDER
    python -m benchmarks.study --draw

A stopped study goes on where it was: finished entries are not trained again, and the entry under way goes on
from its checkpoint. After each entry the table is written anew, and at the end the figure is drawn.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.study import figure, table
from benchmarks.study.grid import StudyEntry, chosen
from benchmarks.study.measure import Budget, score, train
from perceptbench.core.device import Device
from perceptbench.core.errors import UserError

ROOT = Path(__file__).parents[2]


def study(entries: tuple[StudyEntry, ...], budget: Budget, asked: argparse.Namespace) -> None:
    """Train and score what is not in the table yet."""
    device = Device(asked.device).resolve()
    wanted = table.names(asked.data)
    for entry in entries:
        here = table.read(asked.to, str(budget))
        if wanted <= set(here["data"][here["entry"] == entry.name]):
            continue
        print(f"{entry.name} ({entry.question})", flush=True)
        weights = asked.work / budget.folder / f"{entry.file}.safetensors"
        record = train(entry, budget, weights, device)
        rows = score(weights, asked.data, asked.work / "runs", asked.triplets, device)
        more = table.lines(entry, rows, record, str(budget))
        table.extended(asked.to, str(budget), more)
        print(more[["data", "kind", "eps", "score", "low", "high"]].to_string(index=False), flush=True)


def main() -> None:
    """Run the study, or draw what is there."""
    asked = _arguments()
    if not asked.draw:
        if not asked.images or asked.steps is None:
            raise UserError("the study wants --images and --steps; --draw draws the table that is there")
        budget = Budget(
            images=tuple(asked.images), steps=asked.steps, batch=asked.batch_size, seed=asked.seed, limit=asked.limit
        )
        study(chosen(asked.only), budget, asked)
    made = table.load(asked.to)
    figure.draw(made, asked.picture)
    print(table.markdown(made))
    print(f"{asked.to}\n{asked.picture}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description="An architecture study of LipSim.")
    parser.add_argument("--images", type=Path, action="append", help="photographs: folder or tar file; repeat for more")
    parser.add_argument("--steps", type=int, help="steps of each entry, over both stages")
    parser.add_argument("--data", action="append", help="triplets to score on; repeat for more (photos)")
    parser.add_argument("--only", action="append", help="an entry of the grid; repeat for more (all)")
    parser.add_argument("--to", type=Path, default=ROOT / "benchmarks/results/lipsim-study.csv", help="the table")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs/pictures/lipsim-frontier.png", help="the figure")
    parser.add_argument("--work", type=Path, default=Path("runs/study"), help="folder of weights and runs")
    parser.add_argument("--batch-size", type=int, default=48, help="images of a step (48)")
    parser.add_argument("--limit", type=int, help="learn from so many photographs only")
    parser.add_argument("--triplets", type=int, help="score on so many triplets of each data set only")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random number")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="where to compute")
    parser.add_argument("--draw", action="store_true", help="only draw and print the table that is there")
    asked = parser.parse_args()
    asked.data = asked.data or ["photos"]
    return asked


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"study: {error}")
