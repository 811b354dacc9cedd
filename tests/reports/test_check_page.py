"""What the gate says, and that nothing it quotes can act where it is read."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from baselines import MACHINE, SAME, baseline, run

from perceptbench.reports.check.as_json import as_json
from perceptbench.reports.check.check_page import annotations, findings, sentence, summary, table, title, worth_saying
from perceptbench.reports.check.junit import xml
from perceptbench.results.gate.floors import parse_floor, under_floors
from perceptbench.results.gate.worse import Finding, compare

FELL = baseline(run(["1 11 -"] * 20))
NOW = run(["1 10 -"] * 15 + ["1 11 -"] * 5)


def found(text: str = "fine", failed: bool = True, what: str = "audit") -> Finding:
    return Finding(metric="m", what=what, failed=failed, sentence=text)


def test_the_sentence_names_metric_method_eps_and_the_drop() -> None:
    worst = compare(FELL, [NOW])[2]
    said = sentence(worst)
    assert re.fullmatch(
        r"psnr on photos, certified by margin, l2 eps 2: the score got worse, from 100\.0 % to 25\.0 %, "
        r"a loss of 75\.0 points \[\d+\.\d, \d+\.\d\]: 15 triplets lost and 0 gained of 20 "
        r"\(one-sided exact McNemar test for a drop, "
        r"p = 3\.1e-05, 6\.1e-05 after Holm over 2 certified scores\)\. "
        r"The smallest drop that would have failed is 35\.0 points \(7 of 20\)\.",
        said,
    ), said


def test_what_is_lost_where_nothing_changed_is_named_in_sentence_page_junit_and_json() -> None:
    words, alike = ["1 11 - 0.5 3.0"] * 20, {"part": SAME, "machine": MACHINE}
    known, new = baseline(run(words, **alike)), run(["1 10 - 0.5 1.5"] * 12 + words[12:], **alike)
    comparisons = compare(known, [new])
    every = findings([], comparisons)
    said = sentence(comparisons[2])
    assert "12 triplets lost and 0 gained of 20; lost: t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 2 more. " in said
    assert said.endswith("The metric did not change, so one lost triplet fails.")
    page = summary(every, comparisons, known)
    assert "t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11" in page
    assert said in xml(every)
    content = json.loads(as_json(every, comparisons, known))
    assert (content["passed"], content["scores"][2]["lost"]) == (False, [f"t{i}" for i in range(12)])
    assert [check["failed"] for check in content["checks"]] == [False, False, True]
    assert table(comparisons, known).rows[2][-3:] == ("exact", "5.0", "WORSE")


def test_a_drop_that_is_too_small_to_be_seen_is_said_and_passes() -> None:
    before, now = run(["1 - 11"] * 16, attack="l2-pgd"), run(["1 - 11"] * 13 + ["1 - 10"] * 3, attack="l2-pgd")
    comparisons = compare(baseline(before), [now])
    every = findings([], comparisons)
    (said,) = worth_saying(every, comparisons)
    assert said.startswith("Not seen: psnr on photos, after l2-pgd, l2 eps 2: the score went from 100.0 % to 81.2 %")
    assert said.endswith("The smallest drop that would have failed is 43.8 points (7 of 16).")
    assert title(every) == "bench check: 3 checks passed"
    assert "No drop can be told from chance with these 2 triplets." in sentence(
        compare(few := baseline(run(["1 11 -"] * 2)), few.runs)[0]
    )


def test_a_distance_is_said_in_its_own_unit() -> None:
    made = [run([f"1 - {d},{d}"] * 8, attack="l2-pgd", attacked="smaller", task="drift", goal="push") for d in (1, 1.5)]
    comparisons = compare(baseline(made[0]), made[1:])
    said = sentence(comparisons[1])
    assert "after l2-pgd --goal push, l2 eps 1, drift: the score got worse, from a mean distance of 1 to" in said
    assert "a loss of 0.5 [0.5, 0.5]: 8 triplets lost" in said
    assert "sign-flip test over references" in said
    assert "points" not in said


def test_floors_are_findings_that_are_always_said() -> None:
    comparisons = compare(FELL, [NOW])
    floors = under_floors([parse_floor("certified@2>=60"), parse_floor("natural>=60")], comparisons)
    every = findings(floors, comparisons)
    said = worth_saying(every, comparisons)
    assert said[0].startswith("psnr on photos: certified by margin, l2 eps 2 is 25 %, below the floor of 60 %")
    assert said[-1].startswith("psnr on photos: natural is 100 %, not below the floor of 60 %")
    assert "below the floor of 60 %" in summary(every, comparisons, FELL)
    assert "below the floor of 60 %" in xml(every)


def test_a_gain_is_said_with_its_interval_the_right_way_round() -> None:
    better = compare(baseline(run(["1 10 -"] * 15 + ["1 11 -"] * 5)), [run(["1 11 -"] * 20)])[2]
    low, high = map(
        float, re.search(r"got better, from .* a gain of 75\.0 points \[(.*?), (.*?)\]", sentence(better)).groups()
    )
    assert 0 < low < 75 < high < 100


def test_everything_is_a_finding_and_failures_come_first() -> None:
    comparisons = compare(FELL, [NOW])
    every = findings([found("holds", failed=False)], comparisons)
    assert [one.failed for one in every] == [False, False, False, True]
    assert title(every) == "bench check: 1 of 4 checks failed"
    said = worth_saying(every, comparisons)
    assert said[0].startswith("psnr on photos, certified by margin")
    assert said[-1] == "holds"
    assert title([found(failed=False)]) == "bench check: 1 checks passed"


def test_the_page_cannot_be_given_markup_by_a_name() -> None:
    evil = baseline(run(["1 11 -"], metric="py:<img src=x>|`a`.py:M"))
    page = summary(findings([], compare(evil, evil.runs)), compare(evil, evil.runs), evil)
    assert "<img" not in page.replace("\\<img", "")
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 13 for line in page.splitlines() if line.startswith("|"))


def test_an_annotation_stays_one_command() -> None:
    (line,) = annotations([found("50 %\n::warning::x\r", what="a:b,c::d"), found(failed=False)])
    assert line == "::error title=m%2C a%3Ab%2Cc%3A%3Ad::50 %25%0A::warning::x%0D"


def test_junit_has_a_case_for_each_finding_and_holds_any_text() -> None:
    bad = "]]><x>&\x00\x1b\ud800 \"'"
    root = ElementTree.fromstring(xml([found(bad), found("fine", failed=False, what="natural")]))
    first, second = root.iter("testcase")
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    assert (first.get("classname"), first.get("name")) == ("m", "audit")
    assert first.find("failure").get("message") == "]]><x>&\ufffd\ufffd\ufffd \"'"
    assert second.find("failure") is None
    assert second.findtext("system-out") == "fine"


def test_the_table_has_a_line_a_score_and_says_the_rule() -> None:
    content = table(compare(FELL, [NOW]), FELL)
    assert [row[-1] for row in content.rows] == ["", "", "WORSE"]
    assert content.rows[2][4:6] == ("100.0", "25.0")
    said = " ".join(content.notes)
    assert "exceeds 2 points" in said
    assert "is at most 0.0167, a third of 0.05" in said
    assert content.rows[2][-3:-1] == ("6.1e-05", "35.0")
    assert "schema" not in said
    assert "has schema 1, which does not say" in " ".join(table([], replace(FELL, schema=1)).notes)


def test_a_metric_that_changed_since_the_baseline_is_named_beside_the_table() -> None:
    words = "Changed since the baseline, weights or code, so single lost samples pass: psnr. "
    assert words in " ".join(table(compare(FELL, [NOW]), FELL).notes)
    alike = {"part": SAME, "machine": MACHINE}
    known = baseline(run(["1 11 - 0.5 3.0"] * 20, **alike))
    assert "Changed since" not in " ".join(table(compare(known, known.runs), known).notes)


@pytest.mark.parametrize("eps", [1.0, 2.0])
def test_each_budget_is_named(eps: float) -> None:
    assert any(f"l2 eps {eps:g}" in one.what for one in findings([], compare(FELL, [NOW])))
