"""What `bench check` says: a table, a page for the summary of a GitHub job, annotations, and sentences."""

from collections.abc import Sequence

from perceptbench.reports.base import Document, Table
from perceptbench.reports.formats import markdown
from perceptbench.reports.wording import eps_text, labels, threat_label
from perceptbench.results.gate.baseline import Baseline
from perceptbench.results.gate.worse import Finding, ScoreComparison

COLUMNS = ("metric", "data", "score", "n", "before", "now", "drop, points", "lost", "gained", "p, Holm", "verdict")
_MARKS = {"worse": "WORSE", "better": "better", "changed": "", "same": ""}


def table(comparisons: Sequence[ScoreComparison], baseline: Baseline) -> Table:
    """A line a score."""
    rows = [
        (
            *_subject(one), _what(one), one.n, f"{one.before:.1f}", f"{one.now:.1f}",
            f"{one.drop.value:.1f} [{one.drop.low:.1f}, {one.drop.high:.1f}]", one.lost, one.gained,
            f"{one.adjusted:.2g}", _MARKS[one.verdict],
        )
        for one in comparisons
    ]  # fmt: skip
    notes = (
        f"Percent of triplets. Fails: a drop of more than {baseline.tolerance:g} points whose exact one-sided McNemar "
        f"p-value, after Holm over {len(rows)} scores, is at most {baseline.alpha:g}. Brackets: 95 % interval.",
        f"Baseline of {baseline.updated}: {baseline.reason}",
    )
    return Table("Scores beside the baseline", COLUMNS, tuple(rows), notes)


def findings(found: Sequence[Finding], comparisons: Sequence[ScoreComparison]) -> list[Finding]:
    """Everything that was checked, a score like any other finding."""
    scores = (
        Finding(metric=one.metric, what=f"{_what(one)} on {_subject(one)[1]}", failed=one.verdict == "worse",
                sentence=sentence(one, len(comparisons)))
        for one in comparisons
    )  # fmt: skip
    return [*found, *scores]


def sentence(one: ScoreComparison, tests: int) -> str:
    """What became of one score: by how much, how surely, and of how many triplets."""
    metric, data = _subject(one)
    verb = {"worse": "fell from", "better": "rose from"}.get(one.verdict, "went from")
    if one.verdict == "same":
        return f"{metric} on {data}, {_what(one)}: {one.now:.1f} %, the same {one.n} answers as before."
    moved = "a drop of" if one.drop.value >= 0 else "a gain of"
    low, high = (one.drop.low, one.drop.high) if one.drop.value >= 0 else (-one.drop.high, -one.drop.low)
    return (
        f"{metric} on {data}, {_what(one)}: the score {verb} {one.before:.1f} % to {one.now:.1f} %, "
        f"{moved} {abs(one.drop.value):.1f} points [{low:.1f}, {high:.1f}]: {one.lost} triplets lost and {one.gained} "
        f"gained of {one.n} (exact one-sided McNemar test for a drop, p = {one.p:.2g}, "
        f"{one.adjusted:.2g} after Holm over {tests} scores)."
    )


def summary(every: Sequence[Finding], comparisons: Sequence[ScoreComparison], baseline: Baseline) -> str:
    """The page of a job in Markdown: the verdict, the sentences of what failed or improved, and the table."""
    blocks = (table(comparisons, baseline),) if comparisons else ()
    (page,) = markdown.files(Document(title(every), tuple(worth_saying(every, comparisons)), blocks, ())).values()
    return page


def worth_saying(every: Sequence[Finding], comparisons: Sequence[ScoreComparison]) -> list[str]:
    """What failed, then what got better, then what the audits found."""
    failed = [one.sentence for one in every if one.failed]
    better = [sentence(one, len(comparisons)) for one in comparisons if one.verdict == "better"]
    return [*failed, *better, *(one.sentence for one in every if one.what == "audit" and not one.failed)]


def title(every: Sequence[Finding]) -> str:
    """The verdict in a line."""
    failed = sum(one.failed for one in every)
    return (
        f"bench check: {failed} of {len(every)} checks failed" if failed else f"bench check: {len(every)} checks passed"
    )


def annotations(every: Sequence[Finding]) -> list[str]:
    """A workflow command of GitHub Actions for each failure; what it quotes cannot start another command."""
    return [
        f"::error title={_property(f'{one.metric}, {one.what}')}::{_data(one.sentence)}" for one in every if one.failed
    ]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _subject(one: ScoreComparison) -> tuple[str, str]:
    """Metric and data without the folders of their files."""
    return labels([one.metric])[one.metric], labels([one.data])[one.data]


def _what(one: ScoreComparison) -> str:
    if one.eps is None:
        return "natural"
    how = "certified by" if one.kind == "certificate" else "after"
    return f"{how} {one.method}, {threat_label(one.threat)} eps {eps_text(one.eps)}"
