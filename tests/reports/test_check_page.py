"""What the gate says, and that nothing it quotes can act where it is read."""

import re
from xml.etree import ElementTree

import pytest
from baselines import baseline, run

from perceptbench.reports.check.check_page import annotations, findings, sentence, summary, table, title, worth_saying
from perceptbench.reports.check.junit import xml
from perceptbench.results.gate.worse import Finding, compare

FELL = baseline(run(["1 11 -"] * 20))
NOW = run(["1 10 -"] * 15 + ["1 11 -"] * 5)


def found(text: str = "fine", failed: bool = True, what: str = "audit") -> Finding:
    return Finding(metric="m", what=what, failed=failed, sentence=text)


def test_the_sentence_names_metric_method_eps_and_the_drop() -> None:
    worst = compare(FELL, [NOW])[2]
    said = sentence(worst, 3)
    assert re.fullmatch(
        r"psnr on photos, certified by margin, l2 eps 2: the score fell from 100\.0 % to 25\.0 %, "
        r"a drop of 75\.0 points \[\d+\.\d, \d+\.\d\]: 15 triplets lost and 0 gained of 20 "
        r"\(exact one-sided McNemar test for a drop, "
        r"p = 3\.1e-05, 9\.2e-05 after Holm over 3 scores\)\.",
        said,
    ), said


def test_a_gain_is_said_with_its_interval_the_right_way_round() -> None:
    better = compare(baseline(run(["1 10 -"] * 15 + ["1 11 -"] * 5)), [run(["1 11 -"] * 20)])[2]
    low, high = map(
        float, re.search(r"rose from .* a gain of 75\.0 points \[(.*?), (.*?)\]", sentence(better, 3)).groups()
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
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 12 for line in page.splitlines() if line.startswith("|"))


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
    assert "more than 2 points" in content.notes[0]
    assert "at most 0.05" in content.notes[0]


@pytest.mark.parametrize("eps", [1.0, 2.0])
def test_each_budget_is_named(eps: float) -> None:
    assert any(f"l2 eps {eps:g}" in one.what for one in findings([], compare(FELL, [NOW])))
