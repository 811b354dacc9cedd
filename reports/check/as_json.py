"""What was checked as one JSON object, for programs: every finding, and every score with the samples that moved."""

from collections.abc import Sequence
from dataclasses import asdict

from perceptbench.core.plain_json import json_line
from perceptbench.results.gate.baseline import Baseline
from perceptbench.results.gate.worse import Finding, ScoreComparison

_SCHEMA = 1


def as_json(every: Sequence[Finding], comparisons: Sequence[ScoreComparison], baseline: Baseline) -> str:
    """`passed`, the `checks` with their sentences, floors among them, and the `scores` beside those of the baseline."""
    content = {
        "schema": _SCHEMA,
        "passed": not any(one.failed for one in every),
        "baseline": {key: getattr(baseline, key) for key in ("schema", "updated", "reason", "tolerance", "alpha")},
        "checks": [asdict(one) for one in every],
        "scores": [asdict(one) for one in comparisons],
    }
    return json_line(content)
