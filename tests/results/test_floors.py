"""Floors: how they are typed, what they are about, and what fails."""

import pytest
from baselines import baseline, run

from perceptbench.core.errors import UserError
from perceptbench.results.gate.column import columns
from perceptbench.results.gate.floors import parse_floor, refuse_unmatched, under_floors
from perceptbench.results.gate.worse import compare

# lipsim: natural 75, certified 50 and 25, attacked 75 and 50; psnr: natural 100, attacked 100 and 0.
LIPSIM = run(["1 11 11", "1 10 11", "1 00 10", "0 00 00"], metric="lipsim(lift=true)", attack="l2-pgd")
PSNR = run(["1 - 10"] * 4, attack="l2-pgd")
KNOWN = baseline(LIPSIM, PSNR)


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("natural>=75", []),
        ("natural>=75.1", ["lipsim(lift=true)"]),
        ("attacked@1>=76", ["lipsim(lift=true)"]),
        ("attacked@2>=50", ["psnr"]),
        ("attacked@2 >= 51", ["lipsim(lift=true)", "psnr"]),
        ("psnr:attacked@2>=51", ["psnr"]),
        ("lipsim:attacked@2>=51", ["lipsim(lift=true)"]),
        ("lipsim(lift=true):certified@255/255>=50", []),
        ("certified@1.0>=50.5", ["lipsim(lift=true)"]),
    ],
)
def test_a_floor_is_about_every_score_of_its_kind_eps_and_metric(text: str, failed: list[str]) -> None:
    found = under_floors([parse_floor(text)], compare(KNOWN, KNOWN.runs))
    assert found
    assert [one.metric for one in found if one.failed] == failed


def test_the_sentence_says_score_and_floor() -> None:
    (found,) = under_floors([parse_floor("psnr:attacked@2>=60")], compare(KNOWN, KNOWN.runs))
    assert found.sentence == (
        "psnr on photos: attacked by l2-pgd, l2 eps 2 is 0 %, below the floor of 60 % "
        "(--floor psnr:attacked@2>=60, n = 4)."
    )
    assert found.what == "floor psnr:attacked@2>=60, l2-pgd on photos"


def test_a_metric_of_a_file_may_have_colons() -> None:
    floor = parse_floor("py:a/b.py:Net:natural>=80")
    assert (floor.metric, floor.kind, floor.eps, floor.least) == ("py:a/b.py:Net", "natural", None, 80)


@pytest.mark.parametrize(
    "text",
    ["", "attacked>=60", "natural@1>=60", "attacked@1>60", "attacked@1<=60", "attacked@one>=60", "attacked@1>=",
     "attacked@1>=101", "attacked@-1>=60", "attacked@1>=nan", "attacked@1>=-1", "robust@1>=60", "attacked@1/0>=5"],
)  # fmt: skip
def test_what_is_no_floor_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(UserError, match="--floor"):
        parse_floor(text)


@pytest.mark.parametrize("text", ["attacked@3>=1", "certified@1>=1", "ssim:natural>=1", "psnr:certified@1>=1"])
def test_a_floor_that_no_score_is_meant_by_is_refused(text: str) -> None:
    with pytest.raises(
        UserError, match="fits no score in percent of the baseline; it has natural, attacked@1, attacked@2"
    ):
        refuse_unmatched([parse_floor(text)], columns((PSNR,), (PSNR,)))


def test_a_mean_distance_has_no_floor() -> None:
    pushed = run(["1 - 0.5,0.5"], attack="l2-pgd", attacked="smaller", task="drift", goal="push")
    with pytest.raises(UserError, match="in percent"):
        refuse_unmatched([parse_floor("attacked@1>=0")], columns((pushed,), (pushed,)))


@pytest.mark.parametrize("stands", [29, 57, 58])
def test_a_score_at_its_floor_reaches_it(stands: int) -> None:
    """100 * .29 is a hair below 29 in floating point."""
    known = baseline(run(["1 11 11"] * stands + ["1 00 00"] * (100 - stands), attack="l2-pgd"))
    compared = compare(known, known.runs)
    assert not any(one.failed for one in under_floors([parse_floor(f"attacked@1>={stands}")], compared))
    assert all(one.failed for one in under_floors([parse_floor(f"attacked@1>={stands + 1}")], compared))
