"""The table, the figure and the comparison of how good attacks are, from numbers that are made up."""

import math
from dataclasses import replace

import pytest

from perceptbench.reports.attack_strength import (
    AttackStrength,
    as_strong,
    beside,
    chart,
    document,
    lines_csv,
    pareto,
    strength_table,
)  # fmt: skip
from perceptbench.reports.formats import markdown
from perceptbench.reports.formats.png_pdf import drawn

ONE = AttackStrength(
    attack="l2-a(steps=10)", effort=0.1, norm="l2", ours=True, smallest=True, gradient=True, n=80, median=1.01,
    p90=1.1, close=0.5, none=0.0, call=20.0, total=20.0,
)  # fmt: skip


def made(attack: str, p90: float, call: float, **more) -> AttackStrength:
    return replace(ONE, attack=attack, p90=p90, call=call, **more)


def test_the_line_holds_what_nothing_beats_in_both() -> None:
    cheap, worse, best, dear = made("a", 1.1, 20), made("b", 1.2, 30), made("c", 1.01, 40), made("d", 1.01, 50)
    none = made("e", math.inf, 1)
    assert pareto([dear, best, worse, cheap, none]) == [cheap, best]


def test_a_row_an_attack_the_strongest_first_and_none_in_words() -> None:
    rows = strength_table([made("weak", math.inf, 5, none=0.25), made("good", 1.0, 50), ONE], "l2").rows
    assert [row[0] for row in rows] == ["good", "l2-a(steps=10)", "weak"]
    assert str(rows[0][4]) == "1.0000"
    assert rows[2][4] == "none"
    assert str(rows[2][6]) == "25"
    assert [row[-1] for row in rows] == ["yes", "yes", ""]


def test_others_stand_beside_the_best_of_ours_of_their_kind_that_costs_no_more() -> None:
    other = made("lib:x", 1.05, 40, ours=False, median=1.02)
    same, dear = made("l2-b", 1.04, 40), made("l2-c", 1.0, 41)
    budget, query, linf = (
        made("l2-d", 1.0, 1, smallest=False), made("l2-e", 1.0, 1, gradient=False), made("l", 1.0, 1, norm="linf"),
    )  # fmt: skip
    (row,) = beside([other, dear, budget, query, linf, ONE, same]).rows
    assert row[0] == "lib:x"
    assert row[4] == "l2-b"
    assert row[-1] == "yes"
    (row,) = beside([other, ONE]).rows
    assert (row[4], row[-1]) == ("l2-a(steps=10)", "NO")
    (row,) = beside([other, dear]).rows
    assert row[4] is None
    assert "costs as little" in str(row[-1])
    assert not beside([ONE]).rows


@pytest.mark.parametrize(("median", "p90", "verdict"), [(1.02, 1.1, False), (1.01, 1.2, False), (1.0101, 1.1, True)])
def test_neither_number_may_be_larger(median: float, p90: float, verdict: bool) -> None:
    assert as_strong(replace(ONE, median=median, p90=p90), ONE) == verdict


def test_the_figure_has_a_line_an_attack_and_hollow_points_at_the_top_for_none() -> None:
    rows = [made("l2-a(steps=10)", 1.1, 20), made("l2-a(steps=90)", 1.0, 200), made("l2-b", math.inf, 40)]
    block = chart([*rows, made("linf-a", 1.2, 30, norm="linf")])
    assert [panel.title for panel in block.panels] == ["l2", "linf"]
    axis = drawn(block).axes[0]
    lines = [(list(line.get_xdata()), [round(y, 4) for y in line.get_ydata()]) for line in axis.lines]
    assert ([20.0, 200.0], [10.0, 0.01]) in lines
    assert ([40.0], [1000.0]) in lines
    assert axis.get_xscale() == axis.get_yscale() == "log"
    assert block.panels[0].front == ((20.0, pytest.approx(10)), (200.0, 0.01))
    assert {line.style for panel in block.panels for line in panel.lines if line.name == "a"} == {0}


def test_the_page_and_the_file_hold_every_number() -> None:
    whole = document([ONE, made("lib:x", 1.05, 40, ours=False)], ["pixel l2 (n = 16)"])
    text = markdown.files(whole)["report.md"]
    assert "pixel l2 (n = 16)" in text
    assert "attacks.png" in text
    assert "Beside attacks of other libraries" in text
    head, first, _ = lines_csv([ONE, made("lib:x", math.inf, 40)]).splitlines()
    assert head.split(",")[0] == "attack"
    assert first.startswith('"l2-a(steps=10)",0.1,"l2",True')
