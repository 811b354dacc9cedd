"""What `bench check` says: a table, a page for the summary of a GitHub job, annotations, and sentences."""

from collections.abc import Sequence

from perceptbench.reports.base import Document, Table
from perceptbench.reports.formats import markdown
from perceptbench.reports.wording import TRIPLET_TASKS, eps_text, labels, threat_label
from perceptbench.results.gate.baseline import SCHEMA, Baseline
from perceptbench.results.gate.decide import share_of_alpha
from perceptbench.results.gate.worse import Finding, ScoreComparison

COLUMNS = (
    "metric", "data", "score", "n", "before", "now", "drop", "lost", "gained", "p, Holm", "seen from", "verdict",
)  # fmt: skip
_MARKS = {"worse": "WORSE", "better": "better", "changed": "", "same": ""}
_SHOWN, _LISTED = 10, 50
"""How many names stand in a sentence, and in the table of a page; --json has all."""


def table(comparisons: Sequence[ScoreComparison], baseline: Baseline) -> Table:
    """A line a score."""
    rows = [
        (
            *_subject(one), _what(one), one.n, _number(one, one.before), _number(one, one.now),
            f"{_number(one, one.drop.value)} [{_number(one, one.drop.low)}, {_number(one, one.drop.high)}]",
            len(one.lost), len(one.gained), "exact" if one.adjusted is None else f"{one.adjusted:.2g}",
            _seen_from(one), _MARKS[one.verdict],
        )
        for one in comparisons
    ]  # fmt: skip
    return Table("Scores beside the baseline", COLUMNS, tuple(rows), _notes(comparisons, baseline))


def _notes(comparisons: Sequence[ScoreComparison], baseline: Baseline) -> tuple[str, ...]:
    changed = sorted({_subject(one)[0] for one in comparisons if one.kind == "natural" and not one.exact})
    tested = (
        f"Changed since the baseline, weights or code, so single lost samples pass: {', '.join(changed)}. Where the "
        "change is meant, renew it: bench check --update --reason TEXT",
    ) if changed and baseline.schema == SCHEMA else ()  # fmt: skip
    older = () if baseline.schema == SCHEMA else (
        f"The baseline has schema {baseline.schema}, which does not say what exact comparisons need, so every score is "
        "tested; renew it: bench check --update --reason TEXT",
    )  # fmt: skip
    return (
        "Percent that stand and drops in points, or mean distances. exact: the metric did not change, so one lost "
        "sample fails, save where rounding may turn it.",
        f"Elsewhere a drop fails that exceeds {baseline.tolerance:g} points (or percent of a mean distance) and whose "
        "one-sided p-value, after Holm within natural, certified and attacked scores, is at most "
        f"{share_of_alpha(baseline.alpha):.3g}, a third of {baseline.alpha:g}.",
        "seen from: the smallest drop that would have failed here. Brackets: 95 % interval.",
        f"Baseline of {baseline.updated}: {baseline.reason}",
        *tested,
        *older,
    )


def moved(comparisons: Sequence[ScoreComparison]) -> Table:
    """The samples that were lost or gained, a line a score."""
    rows = [
        (*_subject(one), _what(one), _listed(one.lost, _LISTED), _listed(one.gained, _LISTED))
        for one in comparisons if one.lost or one.gained
    ]  # fmt: skip
    return Table("Samples that moved", ("metric", "data", "score", "lost", "gained"), tuple(rows), prose=True)


def findings(found: Sequence[Finding], comparisons: Sequence[ScoreComparison]) -> list[Finding]:
    """Everything that was checked, a score like any other finding."""
    scores = (
        Finding(metric=one.metric, what=f"{_what(one)} on {_subject(one)[1]}", failed=one.verdict == "worse",
                sentence=sentence(one))
        for one in comparisons
    )  # fmt: skip
    return [*found, *scores]


def sentence(one: ScoreComparison) -> str:
    """What became of one score: by how much, how surely, of how many samples, and what would have been seen."""
    metric, data = _subject(one)
    head = f"{metric} on {data}, {_what(one)}:"
    if one.verdict == "same":
        return f"{head} {_score(one, one.now)}, the same {one.n} answers as before. {_would_fail(one)}"
    return f"{head} {_change(one)}{_names(one) if one.exact else _test(one)}. {_would_fail(one)}"


def _change(one: ScoreComparison) -> str:
    """From what to what the score went."""
    verb = {"worse": "got worse, from", "better": "got better, from"}.get(one.verdict, "went from")
    word = "a loss of" if one.drop.value >= 0 else "a gain of"
    low, high = (one.drop.low, one.drop.high) if one.drop.value >= 0 else (-one.drop.high, -one.drop.low)
    points = " points" if one.measure == "stands" else ""
    return (
        f"the score {verb} {_score(one, one.before)} to {_score(one, one.now)}, {word} "
        f"{_number(one, abs(one.drop.value))}{points} [{_number(one, low)}, {_number(one, high)}]: {len(one.lost)} "
        f"{_samples(one)} lost and {len(one.gained)} gained of {one.n}"
    )


def _names(one: ScoreComparison) -> str:
    """Which they are."""
    words = [
        f"{word}: {_listed(names, _SHOWN)}" for word, names in (("lost", one.lost), ("gained", one.gained)) if names
    ]
    return "".join(f"; {text}" for text in words)


def _test(one: ScoreComparison) -> str:
    name = "exact McNemar test" if one.measure == "stands" else "sign-flip test over references"
    name = "test of pairs by the photographs on both sides" if one.of_pairs else name
    kind = {"natural": "natural", "certificate": "certified", "attack": "attacked"}[one.kind]
    return (
        f" (one-sided {name} for a drop, p = {one.p:.2g}, {one.adjusted:.2g} after Holm over {one.tests} {kind} scores)"
    )


def _would_fail(one: ScoreComparison) -> str:
    """The smallest drop that would have failed, for a reader who wonders what a pass is worth."""
    if one.exact:
        close = f"; {one.close} are so near that rounding may turn them" if one.close else ""
        return f"The metric did not change, so one lost {_samples(one)[:-1]} fails{close}."
    if one.smallest is None:
        return f"No drop can be told from chance with these {one.n} {_samples(one)}."
    if one.measure != "stands":
        return f"The smallest drop that would have failed is {_number(one, one.smallest)}."
    fewest = round(one.smallest * one.n / 100)
    return f"The smallest drop that would have failed is {one.smallest:.1f} points ({fewest} of {one.n})."


def summary(every: Sequence[Finding], comparisons: Sequence[ScoreComparison], baseline: Baseline) -> str:
    """The page of a job in Markdown: the verdict, the sentences worth reading, and the tables."""
    blocks = [table(comparisons, baseline)] if comparisons else []
    if any(one.lost or one.gained for one in comparisons):
        blocks.append(moved(comparisons))
    opening = tuple(worth_saying(every, comparisons))
    (page,) = markdown.files(Document(title(every), opening, tuple(blocks), ())).values()
    return page


def worth_saying(every: Sequence[Finding], comparisons: Sequence[ScoreComparison]) -> list[str]:
    """What failed, what fell unseen, what got better, then the floors that hold and what the audits found."""
    failed = [one.sentence for one in every if one.failed]
    unseen = [f"Not seen: {sentence(one)}" for one in comparisons if one.unseen]
    better = [sentence(one) for one in comparisons if one.verdict == "better"]
    held = [one.sentence for one in every if not one.failed and (one.what == "audit" or one.what.startswith("floor "))]
    return [*failed, *unseen, *better, *held]


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
    task = "" if one.task in TRIPLET_TASKS[:1] else f", {one.task}"
    if one.eps is None:
        return f"natural{task}"
    how = "certified by" if one.kind == "certificate" else "after"
    return f"{how} {one.method}, {threat_label(one.threat)} eps {eps_text(one.eps)}{task}"


def _samples(one: ScoreComparison) -> str:
    return "triplets" if one.task in TRIPLET_TASKS else "samples"


def _number(one: ScoreComparison, value: float) -> str:
    return f"{value:.1f}" if one.measure == "stands" else f"{value:.4g}"


def _score(one: ScoreComparison, value: float) -> str:
    return f"{value:.1f} %" if one.measure == "stands" else f"a mean distance of {value:.4g}"


def _seen_from(one: ScoreComparison) -> str:
    if one.smallest is None:
        return "never"
    return "any" if one.smallest == 0 else _number(one, one.smallest)


def _listed(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
