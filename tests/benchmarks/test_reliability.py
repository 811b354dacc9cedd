"""The table of the page: rows of one campaign are replaced, all others stay."""

from pathlib import Path

import pytest

from benchmarks.reliability import BEGIN, END, PAGE, Line, commit_of, keep
from perceptbench.core.errors import UserError


def rows(page: Path) -> list[list[str]]:
    table = page.read_text().partition(BEGIN)[2].partition(END)[0]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.strip().splitlines()[2:]]


def test_figures_of_a_subject_take_the_place_of_its_last_ones(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\n| a |\n|---|\n{END}\nafter\n")
    keep([Line("fuzz", "png", 1200, 0, 3.4), Line("fuzz", "csv", 5, 2, 1)], page)
    keep([Line("soundness", "pairs", 100_000, 0, 9)], page)
    keep([Line("fuzz", "png", 7, 1, 3), Line("faults", "bench run", 0, 0, 0)], page)
    assert [row[:5] for row in rows(page)] == [
        ["fuzz", "csv", "5", "2", "1"],
        ["fuzz", "png", "7", "1", "3"],
        ["soundness", "pairs", "100,000", "0", "9"],
    ]
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")


def test_the_page_has_its_table_and_a_page_without_is_refused(tmp_path: Path) -> None:
    text = PAGE.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    (tmp_path / "page.md").write_text("nothing\n")
    with pytest.raises(UserError, match="expected a table between"):
        keep([Line("fuzz", "png", 1, 0, 1)], tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == "nothing\n"


def test_a_folder_without_git_has_no_commit(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == "-"
