"""Rows of a record whose scores are known by hand."""

import itertools

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptbench.core.errors import UserError
from perceptbench.results.rows import rows_of, table_rows
from perceptbench.results.statistics.estimates import radius_gain


def _scores(record):
    return {(row.kind, row.eps): row.score for row in rows_of(record)}


def test_natural_attacked_and_certified_scores(tiny) -> None:
    scores = _scores(tiny())
    # natural: right, right, tie, right with 0.8 of the people.
    assert scores["natural", None] == pytest.approx(100 * (1 + 1 + 0.5 + 0.8) / 4)
    assert scores["attack", 1.0] == pytest.approx(100 * (1 + 1 + 0 + 0.8) / 4)
    # At 2, b fell to 0 and d to the 0.2 who saw it otherwise.
    assert scores["attack", 2.0] == pytest.approx(100 * (1 + 0 + 0 + 0.2) / 4)


def test_a_radius_of_exactly_eps_proves_nothing_at_eps(tiny) -> None:
    scores = _scores(tiny())
    # radii 2, 1, 0, 1.5: at 1 those of a and d are larger, at 2 none is, though a's is equal.
    assert scores["certificate", 1.0] == pytest.approx(100 * (1 + 0 + 0 + 0.8) / 4)
    assert scores["certificate", 2.0] == pytest.approx(100 * (0 + 0 + 0 + 0.2) / 4)


def test_distance_rows_are_means_and_no_percentages(tiny) -> None:
    rows = rows_of(tiny(d_self=[10, 20, 30, 40] * 2, spec={"certifier": None}, facts={"unit": "distance"}))
    attacked = [row for row in rows if row.kind == "attack"]
    assert [(row.unit, row.score) for row in attacked] == [("distance", pytest.approx(25))] * 2
    # Student: s = 12.91, t(0.975, 3) = 3.182, and no end is cut off at 1.
    assert attacked[0].high == pytest.approx(25 + 3.182 * 12.91 / 2, abs=0.01)
    assert rows[0].unit == "percent"


def test_distances_of_one_reference_are_one_observation(tiny) -> None:
    """Means 15 and 35 of two references: s = 14.14, t(0.975, 1) = 12.706."""
    shared = {"unit": "distance", "references": {"a": "x", "b": "x", "c": "y", "d": "y"}}
    attacked = rows_of(tiny(d_self=[10, 20, 30, 40] * 2, spec={"certifier": None}, facts=shared))[1]
    assert (attacked.n, attacked.score) == (4, pytest.approx(25))
    assert attacked.high == pytest.approx(25 + 12.706 * 14.142 / 2**0.5, abs=0.01)
    alone = tiny(facts={"unit": "distance", "references": dict.fromkeys("abcd", "x")})
    with pytest.raises(UserError, match="one reference image alone, whose mean has no interval"):
        rows_of(alone)


def test_rows_say_what_ran(tiny) -> None:
    natural, *others = rows_of(tiny())
    assert (natural.method, natural.norm, natural.eps, natural.n, natural.sound) == (None, None, None, 4, None)
    assert {(row.kind, row.method, row.norm, row.sound) for row in others} == {
        ("attack", "l2-aa", "l2", None),
        ("certificate", "margin", "l2", True),
    }


def test_attack_rows_list_parts_starts_steps_and_queries(tiny) -> None:
    parts = [
        {"part": "apgd-ce", "starts": 3, "steps": 100},
        {"part": "square", "starts": 1, "queries": 500, "start": 0.8},
    ]
    natural, attacked, *_ = rows_of(tiny(facts={"parts": parts, "note": "constructed"}))
    assert attacked.parts == "apgd-ce: starts 3, steps 100; square: starts 1, queries 500, start 0.8"
    assert (natural.parts, natural.note) == ("", "constructed")


def test_natural_and_certified_rows_appear_once_for_several_attacks(tiny) -> None:
    rows = table_rows([tiny(), tiny(run="b" * 12, spec={"attack": "l2-pgd"})])
    assert [row.kind for row in rows] == ["natural", *["attack"] * 4, *["certificate"] * 2]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0.1, 4.0), st.sampled_from([0.0, 0.2, 0.7, 1.0])), min_size=2))
def test_scores_never_rise_with_eps_nor_above_the_natural_one(triplets) -> None:
    from perceptbench.results.record import COLUMNS, Record

    frames = []
    for eps in (0.5, 1.0, 2.0):
        frame = pd.DataFrame(dict.fromkeys(COLUMNS, 0), index=range(len(triplets)))
        frame["id"], frame["eps"] = [str(i) for i in range(len(triplets))], eps
        frame["right_share"] = [share for _, _, share in triplets]
        frame["d1"] = 1.0
        frame["correct"] = [right for right, _, _ in triplets]
        frame["robust"] = [right and flip > eps for right, flip, _ in triplets]
        frame["radius"] = [flip * 0.9 if right else 0.0 for right, flip, _ in triplets]
        frames.append(frame.astype(COLUMNS))
    spec = {"metric": "m", "data": "d", "attack": "a", "certifier": "c", "norm": "l2", "eps": [0.5, 1.0, 2.0]}
    scores = _scores(Record(run="0" * 12, spec=spec, provenance={}, samples=pd.concat(frames)))
    for kind in ("attack", "certificate"):
        steps = [scores["natural", None], *(scores[kind, eps] for eps in (0.5, 1.0, 2.0))]
        assert all(after <= before + 1e-9 for before, after in itertools.pairwise(steps))
    assert all(scores["certificate", eps] <= scores["attack", eps] + 1e-9 for eps in (0.5, 1.0, 2.0))


def test_options_are_part_of_the_name_and_another_threat_is_said(tiny) -> None:
    moved = tiny(spec={"move": "all", "eps_left": 0.5, "eps_right": 1.0, "restarts": 3, "quantize": "8bit"})
    rows = {(row.kind, row.method, row.options) for row in rows_of(moved) if row.kind != "natural"}
    threat = "--move all --eps-left 0.5 --eps-right 1.0 --quantize 8bit"
    assert rows == {
        ("attack", f"l2-aa --restarts 3 {threat}", threat),
        ("certificate", f"margin {threat}", threat),
    }
    assert len(table_rows([tiny(), moved])) == 2 + 4 + 4, "rounded clean images have a natural row of their own"
    assert len(table_rows([tiny(), tiny(spec={"seed": 1})])) == 1 + 4 + 4


def test_a_natural_row_says_what_was_done_to_the_clean_images_alone(tiny) -> None:
    natural, *_ = rows_of(tiny(spec={"move": "all", "protocol": "paper", "quantize": "8bit"}))
    assert natural.options == "--quantize 8bit"
    assert natural.to_dict()["options"] == "--quantize 8bit"
    assert rows_of(tiny(spec={"move": "all"}))[0].options == ""


def test_images_pulled_show_the_distance_to_the_other_one(tiny) -> None:
    pulled = tiny(
        spec={"goal": "pull", "attack": "l2-pgd", "certifier": None}, facts={"unit": "distance", "answers": False},
        d0_adv=[0.1, 0.2, 0.3, 9] * 2, d1_adv=[9, 9, 9, 0.4] * 2,
    )  # fmt: skip
    natural, first, _ = rows_of(pulled)
    assert (natural.unit, natural.score) == ("distance", pytest.approx((0.5 + 0.5 + 0.5 + 0.1) / 4))
    assert (first.unit, first.score, first.method) == ("distance", pytest.approx(0.25), "l2-pgd --goal pull")


def test_a_smoothed_certificate_is_likely_and_a_proof_is_not(tiny) -> None:
    promise = "holds with probability 0.999 for the smoothed vote"
    rows = rows_of(tiny(facts={"sound": False, "promise": promise, "confidence": 0.999}))
    assert {(row.likely, row.promise) for row in rows if row.kind == "certificate"} == {(True, promise)}
    assert not any(row.likely for row in rows if row.kind != "certificate")
    assert not any(row.likely for row in rows_of(tiny()))


def test_the_gain_is_the_median_over_what_both_certify(tiny) -> None:
    ours, theirs = tiny().samples, tiny(radius=[0.5, 0.1, 1.0, 0.5] * 2).samples
    # ratios 4, 10 and 3; c has no radius of ours.
    assert radius_gain(ours, theirs) == (pytest.approx(4), 3)
    assert radius_gain(ours, tiny(radius=0.0).samples) is None
