"""The study: what is asked, what is kept, and which entries are called best."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.study import __main__ as study
from benchmarks.study import table
from benchmarks.study.figure import draw, frontier, points
from benchmarks.study.grid import BASELINE, GRID, StudyEntry, chosen
from benchmarks.study.measure import EPS, Budget
from perceptbench.core.errors import UserError
from perceptbench.results.rows import Row

BUDGET = "4 steps"
RECORD = {
    "parameters": 7,
    "seconds": 1.6,
    "chosen": {"natural": 71.0, "certified": 62.0, "certified_1": 53.0, "certified_2": 1.0},
}


def rows(data: str, natural: float, certified: float) -> list[Row]:
    base = {"metric": "lipsim:x", "data": data, "norm": "l2", "n": 10}
    made = [Row(**base, kind="natural", method=None, eps=None, score=natural, low=natural - 1, high=natural + 1)]  # type: ignore[arg-type]
    made += [
        Row(**base, kind="certificate", method="margin", eps=eps, score=certified - eps, low=0.0, high=99.0)  # type: ignore[arg-type]
        for eps in EPS
    ]
    return made


def lines(name: str, natural: float, certified: float, data: str = "photos") -> pd.DataFrame:
    entry = StudyEntry(name=name, question=BASELINE if name == BASELINE else "loss")
    return table.lines(entry, rows(data, natural, certified), RECORD, BUDGET)


def test_every_entry_can_be_trained_and_differs_from_the_default_and_all_others() -> None:
    made = [entry.config(steps=100, batch=48, seed=0) for entry in GRID]
    for entry, config in zip(GRID, made, strict=True):
        config.checked()
        config.network.checked()
        assert config.distil.steps + config.finetune.steps == 100, entry.name
    told = [f"{config} {entry.teacher}" for entry, config in zip(GRID, made, strict=True)]
    assert len(set(told)) == len(GRID)
    assert len({entry.file for entry in GRID}) == len({entry.name for entry in GRID}) == len(GRID)
    assert GRID[0].name == BASELINE


def test_from_scratch_sees_constructed_triplets_alone() -> None:
    (entry,) = chosen(["from scratch"])
    config = entry.config(steps=50, batch=48, seed=0)
    assert (config.distil.steps, config.finetune.steps, config.rehearse) == (0, 50, 0.0)
    (tuned,) = chosen(["fine-tuned"])
    assert tuned.config(50, 48, 0).finetune.steps == 10


def test_unknown_entries_and_two_data_sets_of_one_kind_are_refused() -> None:
    with pytest.raises(UserError, match="got 'none'"):
        chosen(["cayley", "none"])
    with pytest.raises(UserError, match="one data set of each kind, got 2 of nights"):
        table.names(["nights:/a", "photos", "nights:/b"])
    assert table.names(["nights:/a@test", "photos"]) == {"nights", "photos"}


def test_lines_hold_percents_without_paths() -> None:
    made = lines("aol", 80.0, 60.0, "nights:/home/somebody")
    assert made["data"].tolist() == ["nights"] * 3 + ["held out"] * 3
    assert made["kind"].tolist() == ["natural", "certified", "certified"] * 2
    assert made["score"].tolist() == [80.0, round(60 - 108 / 255, 2), 59.0, 71.0, 62.0, 53.0]
    assert made["seconds"].tolist() == [2] * 6


def test_held_out_scores_are_kept_where_the_triplets_are_the_same() -> None:
    other = table.lines(chosen(["2 views"])[0], rows("photos", 80.0, 60.0), RECORD, BUDGET)
    assert set(other["data"]) == {"photos"}


def test_markdown_has_a_line_an_entry_and_a_dash_for_what_is_not_there() -> None:
    both = pd.concat([lines(BASELINE, 80.0, 60.0), lines("aol", 70.0, 65.0, "nights:x")])
    one, two = (text.splitlines() for text in table.markdown(both).split("\n\n"))
    assert one[0].split(" | ")[3:] == [
        "photos, natural", "photos, certified 108/255", "photos, certified 1",
        "held out, natural", "held out, certified 108/255", "held out, certified 1 |",
    ]  # fmt: skip
    assert len({line.count("|") for line in one}) == 1
    assert one[2] == (
        "| default | default | 0.00 | 80.0 [79.0, 81.0] | 59.6 [0.0, 99.0] | 59.0 [0.0, 99.0] | 71.0 | 62.0 | 53.0 |"
    )
    assert one[3] == "| loss | aol | 0.00 | - | - | - | 71.0 | 62.0 | 53.0 |"
    assert two[2:] == ["| loss | aol | 0.00 | 70.0 [69.0, 71.0] | 64.6 [0.0, 99.0] | 64.0 [0.0, 99.0] |"]


def test_the_table_grows_and_an_entry_stands_in_it_once(tmp_path: Path) -> None:
    path = tmp_path / "study.csv"
    assert table.read(path, BUDGET).empty
    table.extended(path, BUDGET, lines("aol", 80.0, 60.0))
    table.extended(path, BUDGET, lines("dct", 70.0, 60.0))
    table.extended(path, BUDGET, lines("aol", 90.0, 60.0))
    kept = table.read(path, BUDGET)
    natural = kept[(kept["kind"] == "natural") & (kept["data"] == "photos")].set_index("entry")["score"]
    assert natural.to_dict() == {"dct": 70.0, "aol": 90.0}
    assert len(kept) == 12
    with pytest.raises(UserError, match="is of 4 steps, asked for was 5 steps"):
        table.read(path, "5 steps")
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="expected the columns"):
        table.load(path)
    with pytest.raises(UserError, match="expected a table of the study"):
        table.load(tmp_path / "none.csv")


def test_budgets_that_differ_never_share_weights() -> None:
    base = Budget(images=(Path("a/one.tar"),), steps=10)
    others = [
        Budget(images=(Path("a/two.tar"),), steps=10),
        Budget(images=(Path("a/one.tar"),), steps=11),
        Budget(images=(Path("a/one.tar"),), steps=10, batch=6),
        Budget(images=(Path("a/one.tar"),), steps=10, seed=1),
        Budget(images=(Path("a/one.tar"),), steps=10, limit=9),
    ]
    assert base.folder not in {other.folder for other in others}
    assert "a/" not in str(base)


def test_the_frontier_leaves_out_what_another_entry_beats() -> None:
    found = pd.DataFrame(
        {"entry": list("abcde"), "natural": [70, 80, 90, 80, 90.0], "certified": [60, 50, 40, 45, 40.0]}
    )
    assert frontier(found)["entry"].tolist() == ["a", "b", "c", "e"]


def test_points_pair_the_scores_of_an_entry() -> None:
    both = pd.concat([lines(BASELINE, 80.0, 60.0), lines("aol", 70.0, 65.0), lines("aol", 1.0, 1.0, "nights:x")])
    at = points(both, "photos", 1.0).set_index("entry")
    assert at["natural"].to_dict() == {BASELINE: 80.0, "aol": 70.0}
    assert at["certified"].to_dict() == {BASELINE: 59.0, "aol": 64.0}
    assert at["low"][BASELINE] == 79.0
    assert at["high_certified"][BASELINE] == 99.0


def test_the_picture_is_the_same_for_the_same_table(tmp_path: Path) -> None:
    both = pd.concat([lines(BASELINE, 80.0, 60.0), lines("aol", 70.0, 65.0)])
    for name in ("one.png", "two.png"):
        draw(both, tmp_path / name)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.png", "two.png"))
    assert one == two
    assert one.startswith(b"\x89PNG")


def test_a_stopped_study_goes_on_and_trains_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[str] = []

    def train(entry: StudyEntry, budget: Budget, weights: Path, device: str) -> dict[str, object]:
        if len(trained) == 1:
            trained.append("stopped")
            raise KeyboardInterrupt
        trained.append(entry.name)
        return RECORD

    def score(weights: Path, data: list[str], *_: object) -> list[Row]:
        return [row for name in data for row in rows(name, 80.0, 60.0)]

    monkeypatch.setattr(study, "train", train)
    monkeypatch.setattr(study, "score", score)
    to, picture = tmp_path / "study.csv", tmp_path / "frontier.png"
    words = ["study", "--steps", "4", "--only", "default", "--only", "cayley", "--device", "cpu"]
    words += ["--images", str(tmp_path), "--to", str(to), "--picture", str(picture), "--work", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(KeyboardInterrupt):
        study.main()
    assert set(table.load(to)["entry"]) == {"default"}
    study.main()
    study.main()
    assert trained == ["default", "stopped", "cayley"]
    assert picture.is_file()
    monkeypatch.setattr(sys, "argv", [*words, "--data", "photos", "--data", "nights:x"])
    study.main()
    assert trained[3:] == ["default", "cayley"]
    assert set(table.load(to)["data"]) == {"photos", "nights", "held out"}


def test_a_study_without_photographs_says_what_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["study", "--steps", "4"])
    with pytest.raises(UserError, match="--images and --steps"):
        study.main()
