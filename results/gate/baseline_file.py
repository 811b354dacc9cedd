"""A baseline as JSON: written with a line a sample, and read with every value checked."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeGuard, get_args

from perceptbench.core.errors import UserError
from perceptbench.core.files import write_atomically
from perceptbench.core.spec import Options
from perceptbench.results.gate.baseline import SCHEMA, Baseline, BaselineRun, completed
from perceptbench.results.gate.sample_outcome import ROUNDING, SampleOutcome
from perceptbench.results.header_checks import ALWAYS_SAID, spec_problem
from perceptbench.results.reading import MAX_JSON_BYTES
from perceptbench.results.tasks.base import Measure

_SAID = (*ALWAYS_SAID, "goal", "arguments", "fingerprints", *Options().options())
"""Keys of the spec of a run of the matrix: it must be possible to ask the same again."""


def write(baseline: Baseline, path: Path) -> None:
    """Write it whole or not at all; a line a sample, so that a diff shows which ones moved."""
    runs = [
        {
            "run": one.run, "spec": dict(one.spec), "machine": dict(one.machine), "confidence": one.confidence,
            "measures": {"natural": one.natural, "attacked": one.attacked}, "scores": one.scores,
            "outcomes": {name: outcome.word(one.natural, one.attacked) for name, outcome in one.outcomes.items()},
        }
        for one in baseline.runs
    ]  # fmt: skip
    head = {key: value for key, value in asdict(baseline).items() if key not in ("schema", "runs")}
    content = {"schema": SCHEMA, **head, "runs": runs}
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def read(path: Path) -> Baseline:
    """Read a file of `write`, also one of an older schema. Raises UserError for a missing, damaged or newer one."""
    content = _json(path)
    schema = content.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise UserError(f"{path} has schema {schema}, this perceptbench reads up to {SCHEMA}; install a newer one")
    _want(path, content, {"schema": int, "updated": str, "reason": str, "runs": list})
    if not (content["updated"] + content["reason"]).isprintable():
        raise _damaged(path, "its reason has signs that cannot be printed")
    if not content["runs"]:
        raise _damaged(path, "it has no runs")
    return Baseline(
        updated=content["updated"],
        reason=content["reason"],
        runs=tuple(_run(path, one, int(content["schema"])) for one in content["runs"]),
        tolerance=_ranged(path, content, "tolerance", 0, 100),
        alpha=_ranged(path, content, "alpha", 1e-9, 0.5),
        audit_images=int(_ranged(path, content, "audit_images", 1, 1000)),
        schema=int(content["schema"]),
    )


def _run(path: Path, content: object, schema: int) -> BaselineRun:
    if not isinstance(content, dict):
        raise _damaged(path, "a run should be an object")
    _want(path, content, {"run": str, "spec": dict, "scores": dict, "outcomes": dict})
    if schema < 2:
        content = {
            "machine": {},
            "confidence": None,
            "measures": {"natural": "stands", "attacked": "stands"},
            **content,
        }
    _want(path, content, {"machine": dict, "measures": dict})
    natural, attacked = (_measure(path, content["measures"].get(key)) for key in ("natural", "attacked"))
    spec = _spec(path, content["spec"])
    confidence = content.get("confidence")
    if confidence is not None and not (_number(confidence) and 0 < confidence <= 1):
        raise _damaged(path, f"'confidence' should be null or a number up to 1, got {confidence!r:.60}")
    found = BaselineRun(
        run=content["run"], spec=spec, machine=content["machine"], confidence=confidence, natural=natural,
        attacked=attacked, outcomes=_outcomes(path, spec, content["outcomes"], natural, attacked),
    )  # fmt: skip
    if found.scores != content["scores"]:
        raise _damaged(path, f"the scores of {spec['metric']} are not those of its outcomes")
    return found


def _measure(path: Path, value: object) -> Measure:
    for known in get_args(Measure):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise _damaged(path, f"a measure should be one of {', '.join(get_args(Measure))}, got {value!r:.60}")


def _spec(path: Path, spec: Mapping[str, Any]) -> dict[str, Any]:
    if wrong := spec_problem(spec, _SAID):
        raise _damaged(path, wrong)
    if spec["attack"] is None and spec["certifier"] is None:
        raise _damaged(path, f"the run of {spec['metric']!r:.60} has neither attack nor certifier")
    return completed(spec)


def _outcomes(
    path: Path, spec: Mapping[str, Any], words: Mapping[str, Any], natural: Measure, attacked: Measure
) -> dict[str, SampleOutcome]:
    try:
        found = {name: SampleOutcome.parse(str(word), natural, attacked) for name, word in words.items()}
    except ValueError as error:
        raise _damaged(path, f"an outcome of {spec['metric']}: {error}") from error
    if not found or not all(_fits(one, spec) for one in found.values()):
        raise _damaged(path, f"the outcomes of {spec['metric']} do not fit its {len(spec['eps'])} budgets")
    for name, one in found.items():
        if one.radius is not None and any(
            map(_disagree, one.certified or (), spec["eps"], [one.radius] * len(spec["eps"]))
        ):
            raise _damaged(path, f"the radius of {name!r:.60} is not what its certified outcomes say")
    return found


def _fits(one: SampleOutcome, spec: Mapping[str, Any]) -> bool:
    """Whether it has a value for each eps, where the run has any."""
    asked = ((one.certified, spec["certifier"]), (one.attacked, spec["attack"]))
    return all(
        (values is None) if method is None else len(values or ()) == len(spec["eps"]) for values, method in asked
    )


def _disagree(certified: float, eps: float, radius: float) -> bool:
    """Near eps, the digits that are kept of a radius do not tell."""
    return abs(radius - eps) > ROUNDING * eps and bool(certified) != (radius > eps)


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise _damaged(path, f"it is larger than {MAX_JSON_BYTES // 2**20} MiB")
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"found no baseline {path}; make one of the finished runs in a folder: "
            f"bench check --baseline {path} --runs runs --update --reason TEXT"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(path, "it is not a JSON object")
    return content


def _want(path: Path, values: Mapping[str, Any], wanted: Mapping[str, type]) -> None:
    for key, kind in wanted.items():
        if not isinstance(values.get(key), kind) or isinstance(values.get(key), bool):
            raise _damaged(path, f"{key!r} should be {kind.__name__}, got {values.get(key)!r:.60}")


def _ranged(path: Path, values: Mapping[str, Any], key: str, low: float, high: float) -> float:
    value = values.get(key)
    if not _number(value) or not low <= float(value) <= high:
        raise _damaged(path, f"{key!r} should be a number from {low:g} to {high:g}, got {value!r:.60}")
    return float(value)


def _number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} is no baseline: {why}; take it from version control again")
