"""How good attacks are, asked by command and in Python."""

import json
import math

import pytest
import torch

import perceptbench as pb
from perceptbench.attacks.strength.needed import Needed

FEW = ("--limit", 1, "--norm", "l2")


def test_the_command_prints_and_writes_what_python_gives(bench, tmp_path) -> None:
    words = ("attacks", "--attack", "l2-fmn,l2-pgd(steps=7)", "--effort", "0.02,0.1", *FEW)
    said = bench(*words, "--to", tmp_path / "out")
    assert "l2-fmn(steps=10)" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["attacks.csv", "attacks.md", "attacks.png"]
    answer = json.loads(bench(*words, "--json"))
    assert [row["attack"] for row in answer["rows"]] == ["l2-fmn(steps=2)", "l2-fmn(steps=10)", "l2-pgd(steps=7)"]
    found = pb.attack_strengths(["l2-fmn", "l2-pgd(steps=7)"], effort=[0.02, 0.1], norm="l2", limit=1)
    assert [row.p90 for row in found.rows] == [row["p90"] for row in answer["rows"]]
    assert {row.n for row in found.rows} == {5}
    assert found.rows[1].median < found.rows[0].median
    assert found.rows[1].call < 50
    assert found.rows[1].call == found.rows[1].total
    assert found.rows[2].call < found.rows[2].total


def test_by_default_every_attack_of_a_ball_that_flips_answers_and_nothing_else(monkeypatch) -> None:
    from perceptbench.bench.api import attacks as module

    asked = [str(ref) for ref in module._ours()]
    assert {"l2-aa", "l2-ddn", "l2-square", "linf-fab", "linf-pgd"} <= set(asked)
    assert not {"pgd", "l2-mse", "l2-hash", "auto", "autoattack", "torchattacks"} & set(asked)


def test_a_number_that_is_typed_stays_and_an_attack_without_numbers_runs_once() -> None:
    from perceptbench.bench.api.attacks import _scaled
    from perceptbench.core.ref import Ref

    named = [str(ref) for ref, _, _ in _scaled([Ref.parse("l2-aa(steps=9)"), Ref.parse("l2-fmn(steps=3)")], [0.1, 1])]
    assert named == [
        "l2-aa(steps=9,fmn_steps=10,fab_steps=10,queries=50)",
        "l2-aa(steps=9,fmn_steps=100,fab_steps=100,queries=500)",
        "l2-fmn(steps=3)",
    ]


def without_a_search(monkeypatch, ratios: list[float]) -> list[tuple]:
    """Two images of each of five victims need these ratios; image i costs i passes in its dearest call, 10 i in all.

    What is asked for comes into the list.
    """
    from perceptbench.bench.api import attacks as module

    asked: list[tuple] = []

    def needs(made, name, victim, seed=0) -> Needed:
        at = [2 * (len(asked) % 5), 2 * (len(asked) % 5) + 1]
        asked.append((name, victim, seed))
        passes = torch.tensor(at).float()
        return Needed(torch.tensor([ratios[i] for i in at]).double(), passes, 10 * passes)

    monkeypatch.setattr(module, "needed", needs)
    return asked


def test_a_row_is_made_of_every_image_and_a_failure_counts_as_the_largest_ratio(monkeypatch) -> None:
    without_a_search(monkeypatch, [1.2, 1.0, math.inf, 1.005, 3.0, 1.01, 1.5, math.inf, 2.0, 1.02])
    (row,) = pb.attack_strengths("l2-fmn", norm="l2", effort=1, limit=2).rows
    assert (row.n, row.none, row.close) == (10, 0.2, 0.3)
    assert (row.median, row.p90) == (pytest.approx(1.2), math.inf)
    assert (row.call, row.total) == (4.5, 45.0)


def test_the_90th_percentile_of_ten_images_is_the_ninth(monkeypatch) -> None:
    without_a_search(monkeypatch, [10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    (row,) = pb.attack_strengths("l2-fmn", norm="l2", effort=1, limit=2).rows
    assert (row.median, row.p90, row.none, row.close) == (5.0, 9.0, 0.0, 0.1)


def test_a_row_says_of_its_attack_what_the_attack_declares(monkeypatch) -> None:
    without_a_search(monkeypatch, [1.0] * 10)
    rows = pb.attack_strengths(["l2-fmn", "l2-aa", "l2-square", "linf-pgd"], effort=1, limit=2).rows
    said = {row.attack.partition("(")[0]: (row.norm, row.smallest, row.gradient, row.ours) for row in rows}
    assert said == {
        "l2-fmn": ("l2", True, True, True),
        "l2-aa": ("l2", False, True, True),
        "l2-square": ("l2", False, False, True),
        "linf-pgd": ("linf", False, True, True),
    }


def test_an_attack_meets_the_victims_of_its_ball_and_every_draw_hangs_on_the_seed(monkeypatch) -> None:
    asked = without_a_search(monkeypatch, [1.0] * 10)
    for seed in (0, 1):
        pb.attack_strengths(["l2-pgd", "linf-pgd"], effort=1, limit=2, seed=seed)
    assert all(name.startswith(f"{victim.norm}-") for name, victim, _ in asked)
    assert [seed for _, _, seed in asked] == [0] * 10 + [1] * 10
    assert not any(torch.equal(asked[i][1].x, asked[i + 10][1].x) for i in range(10))


def test_another_library_stands_beside_ours() -> None:
    pytest.importorskip("pyautoattack", reason="the extra autoattack is not installed")
    found = pb.attack_strengths(["l2-fab", "autoattack:fab"], norm="l2", effort=0.02, limit=1)
    assert [row.ours for row in found.rows] == [True, False]
    tables = [block.title for block in found.document.blocks]
    assert tables[-1] == "Beside attacks of other libraries"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--attack", "l2-fnm"), "unknown attack 'l2-fnm'; did you mean"),
        (("--attack", "pgd"), "pgd works in any set, and victims are known in balls"),
        (("--attack", "l2-mse"), "moves embeddings and reaches no goal"),
        (("--attack", "l2-hash"), "solves metrics of one kind"),
        (("--attack", "auto"), "chooses its parts by metric and threat"),
        (("--attack", "linf-pgd"), "none of these attacks has the norm l2"),
        (("--attack", "l2-pgd", "--norm", "l1"), "norm wants l2 or linf, or both"),
        (
            ("--attack", "l2-pgd", "--effort", "much"),
            "--effort wants numbers from 0.001 to 1000, such as 0.1,0.3,1, got 'much'",
        ),
        (("--attack", "l2-pgd", "--effort", "0"), "effort wants numbers from 0.001 to 1000"),
    ],
)
def test_a_wrong_word_gets_one_sentence_and_nothing_is_written(bench, tmp_path, words, sentence) -> None:
    refused = bench.refusal("attacks", *FEW[2:], *words, "--to", tmp_path / "out")
    assert sentence in refused
    assert not (tmp_path / "out").exists()
