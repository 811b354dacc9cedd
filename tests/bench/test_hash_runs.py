"""Perceptual hashes through the command line: what runs, and what is refused in a sentence."""

import json

import pytest

from perceptbench.core.errors import UserError

pytest.importorskip("imagehash", reason="the extra hashes is not installed")
pytest.importorskip("pdqhash", reason="the extra pdq is not installed")


@pytest.mark.parametrize("attack", ["l2-square(queries=3)", "l2-pgd(steps=3)", "l2-hash(margins=1)"])
def test_a_preference_is_attacked_without_gradients_with_those_of_the_surrogate_and_in_closed_form(
    bench, data, tmp_path, attack
):
    words = ("--data", data, "--limit", 2, "--eps", 1, "--runs", tmp_path)
    answer = json.loads(bench("run", "--metric", "ahash", "--attack", attack, *words, "--json"))
    kinds = [row["kind"] for row in answer["rows"]]
    assert kinds == ["natural", "attack"]
    (record,) = tmp_path.glob("*/record.json")
    assert "not-run" not in record.read_text()


def test_a_match_is_proved_and_attacked(bench, tmp_path):
    words = ("--data", "copies", "--limit", 3, "--tau", 60, "--eps", "0.05,3", "--runs", tmp_path)
    answer = json.loads(
        bench(
            "run", "--task", "matching", "--metric", "pdq", "--certifier", "hash", "--attack", "l2-hash(margins=2)",
            *words, "--json",
        )
    )  # fmt: skip
    rows = {(row["kind"], row["eps"]): row["score"] for row in answer["rows"] if row["kind"] != "natural"}
    for eps in (0.05, 3.0):
        if ("attack", eps) in rows and ("certificate", eps) in rows:
            assert rows["attack", eps] <= rows["certificate", eps]


def test_what_cannot_be_is_said_in_a_sentence(bench, data, tmp_path):
    words = ("--data", data, "--limit", 2, "--eps", 1, "--runs", tmp_path)
    with pytest.raises(UserError, match="l2-hash solves perceptual hashes and no other metrics"):
        bench("run", "--metric", "l2", "--attack", "l2-hash", *words)
    with pytest.raises(UserError, match="the certifier 'hash' proves pdq and phash, and nothing of AHash"):
        bench("run", "--metric", "ahash", "--attack", "l2-square", "--certifier", "hash", *words)
    with pytest.raises(UserError, match="no preference between two images; use --task matching"):
        bench("run", "--metric", "phash", "--attack", "l2-square", "--certifier", "hash", *words)
    with pytest.raises(UserError, match="the mse attack moves embeddings, and PHash compares images without one"):
        bench("run", "--metric", "phash", "--attack", "l2-mse", *words)
