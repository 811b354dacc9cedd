"""How good attacks are, asked by command and in Python."""

import json

import pytest

import perceptbench as pb

FEW = ("--limit", 1, "--norm", "l2")


def test_the_command_prints_and_writes_what_python_gives(bench, tmp_path) -> None:
    words = ("attacks", "--attack", "l2-fmn,l2-pgd(steps=7)", "--effort", "0.05,0.2", *FEW)
    said = bench(*words, "--to", tmp_path / "out")
    assert "l2-fmn(steps=20)" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["attacks.csv", "attacks.md", "attacks.png"]
    answer = json.loads(bench(*words, "--json"))
    assert [row["attack"] for row in answer["rows"]] == ["l2-fmn(steps=5)", "l2-fmn(steps=20)", "l2-pgd(steps=7)"]
    found = pb.attack_strengths(["l2-fmn", "l2-pgd(steps=7)"], effort=[0.05, 0.2], norm="l2", limit=1)
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
