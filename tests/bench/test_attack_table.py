"""The page of attack names says what the attacks declare, and what they declare is true."""

from pathlib import Path

import pytest
import torch

from perceptbench.attacks.base import Attack, attack
from perceptbench.attacks.objectives import FlipPreference
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.bench.attack_table import FURTHER, page, with_tables
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.metrics.classical.pixel import PixelL2

PAGE = Path(__file__).parents[2] / "docs" / "attacks.md"


def _cells(name):
    (row,) = (line for line in page().splitlines() if line.startswith(f"| `{name}"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_page_is_what_the_generator_makes():
    table = PAGE.read_text().partition(FURTHER)[0]
    assert table == page(), "run: python -m perceptbench.bench.attack_table docs/attacks.md"


def test_measured_tables_take_the_place_of_those_before_and_nothing_else_moves():
    measured = "# T\n\nopening\n\n## Fig\n\n![Fig](attacks.png)\n\nnote\n\n## A\n\n| 1 |\n\n## B\n\n| 2 |\n"
    before = "x\n<!-- bench attacks -->\nold\n<!-- end -->\ny\n"
    once = with_tables(before, measured)
    assert once == "x\n<!-- bench attacks -->\n\n### A\n\n| 1 |\n\n### B\n\n| 2 |\n\n<!-- end -->\ny\n"
    assert with_tables(once, measured) == once


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("l2-pgd`", ["`pgd`", "l2", "within eps", "yes", "yes", ""]),
        ("pgd`", ["", "any", "within eps", "yes", "yes", ""]),
        ("linf-fmn`", ["", "linf", "smallest", "yes", "no", ""]),
        ("l2-square`", ["", "l2", "within eps", "no", "yes", ""]),
        (
            "linf-aa`",
            [
                "", "linf", "within eps and smallest", "all but one part", "no",
                "apgd-ce x 3, fmn x 1, fab x 1, square x 1",
            ],
        ),
        ("autoattack:PART`", ["", "l2 or linf", "-", "-", "no", ""]),
        ("auto`", ["", "any", "-", "-", "yes", "chosen by metric, task and threat"]),
    ],
)  # fmt: skip
def test_rows_that_are_known(name, cells):
    assert _cells(name)[1:-1] == cells


def test_every_attack_of_this_project_has_one_row():
    own = [name for name in attack.names() if attack.factory(name).__module__.startswith("perceptbench.attacks.")]
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) == len(own)
    for name in own:
        assert _cells(f"{name}:" if attack.inputs(name) else f"{name}`")


@pytest.mark.parametrize("name", ["l2-pgd", "l2-apgd-ce", "l2-square", "l2-fab", "l2-ddn", "linf-fmn", "linf-square"])
def test_an_attack_asks_for_gradients_exactly_where_it_says_so(name):
    x, left, right = torch.rand(3, 2, 3, 12, 12, generator=torch.Generator().manual_seed(0)).unbind()
    label = (PixelL2()(x, right) < PixelL2()(x, left)).float()
    made = attack.build(Ref(name))
    assert isinstance(made, Attack)
    goal = FlipPreference.make(PixelL2(), left, right, label)
    skip = torch.zeros(1, 2, dtype=torch.bool)
    (outcome,) = run_attack(made, name, goal, x, [0.01], skip, Noise.make(0, ["a", "b"]))
    assert bool((outcome.backwards > 0).any()) == made.needs_gradient
