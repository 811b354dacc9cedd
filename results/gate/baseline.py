"""The numbers that new ones are compared with: runs of a small matrix with the outcome of every triplet, as JSON."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

from perceptbench.core.errors import UserError
from perceptbench.core.files import write_atomically
from perceptbench.core.spec import Options
from perceptbench.results.reading import MAX_JSON_BYTES
from perceptbench.results.record import Record, task_of, threat_of
from perceptbench.results.record_checks import ALWAYS_SAID, spec_problem

SCHEMA = 1
TOLERANCE = 2.0
ALPHA = 0.05
AUDIT_IMAGES = 2
_SAID = (*ALWAYS_SAID, "goal", "arguments", "fingerprints", *Options().options())
"""Keys of the spec of a run of the matrix: it must be possible to ask the same again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRun:
    """One run of the matrix.

    `spec` is that of record.json, with task and threat also where schema 1 said them otherwise.
    `outcomes` has a word for each triplet, `1 1100 1000`: whether the clean answer was right, then for
    each eps whether it was certified, and whether it stood the attack; `-` in place of what the run has not.
    """

    run: str
    spec: Mapping[str, Any]
    outcomes: Mapping[str, str]

    @property
    def scores(self) -> dict[str, list[float]]:
        """Percent of triplets, for people who read the file: natural, certified and attacked by eps."""
        words = [word.split(" ") for word in self.outcomes.values()]
        columns = zip(("natural", "certified", "attacked"), zip(*words, strict=True), strict=True)
        return {
            name: [round(100 * sum(map(int, at)) / len(at), 2) for at in zip(*column, strict=True)]
            for name, column in columns
            if column[0] != "-"
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A matrix, how it came to be, and what counts as a drop.

    Args:
        updated: day of the last update, ISO 8601.
        reason: why it was updated, in the words of who did.
        runs: the matrix.
        tolerance: a drop of at most this many points never fails.
        alpha: probability at most that any comparison of the matrix fails by chance.
        audit_images: of how many references the search of an audit starts.
    """

    updated: str
    reason: str
    runs: tuple[BaselineRun, ...]
    tolerance: float = TOLERANCE
    alpha: float = ALPHA
    audit_images: int = AUDIT_IMAGES


def run_of(record: Record) -> BaselineRun:
    """What a baseline keeps of a record. Raises UserError for one whose score is no share of triplets."""
    spec, samples = completed(record.spec), record.samples
    if record.task == "drift":
        raise UserError(
            f"a baseline compares triplets that stood or fell; the run {record.run} ({spec['metric']}, "
            f"{spec['attack']}) has mean distances; leave --goal push and pull out of the matrix"
        )
    if record.task != "preference":
        raise UserError(
            f"a baseline compares triplets that stood or fell; the run {record.run} ({spec['metric']}, "
            f"{spec['attack']}) is of the task {record.task}; leave it out of the matrix"
        )
    first = samples[samples["eps"] == samples["eps"].min()].set_index("id")
    certified = samples["radius"] > samples["eps"]
    columns = (
        first["correct"].map(str_of).to_dict(),
        _by_id(samples.assign(stood=certified)) if spec["certifier"] else {},
        _by_id(samples.assign(stood=samples["robust"])) if spec["attack"] else {},
    )
    words = {name: " ".join(column.get(name, "-") for column in columns) for name in first.index}
    return BaselineRun(run=record.run, spec=spec, outcomes=words)


def completed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec with task and threat: two specs compare by the same keys, whatever their schema."""
    return {**spec, "task": task_of(spec), "threat": threat_of(spec)}


def str_of(stood: bool) -> str:
    """1 or 0."""
    return "1" if stood else "0"


def _by_id(samples: Any) -> dict[str, str]:
    ordered = samples.sort_values("eps", kind="stable")
    return ordered.groupby("id")["stood"].agg(lambda stood: "".join(map(str_of, stood))).to_dict()


def write(baseline: Baseline, path: Path) -> None:
    """Write it whole or not at all; a line a triplet, so that a diff shows which ones moved."""
    runs = [
        {"run": one.run, "spec": dict(one.spec), "scores": one.scores, "outcomes": dict(one.outcomes)}
        for one in baseline.runs
    ]
    content = {"schema": SCHEMA, **asdict(baseline), "runs": runs}
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def read(path: Path) -> Baseline:
    """Read a file of `write`. Raises UserError for a missing, damaged or newer one."""
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
        runs=tuple(_run(path, one) for one in content["runs"]),
        tolerance=_ranged(path, content, "tolerance", 0, 100),
        alpha=_ranged(path, content, "alpha", 1e-9, 0.5),
        audit_images=int(_ranged(path, content, "audit_images", 1, 1000)),
    )


def _run(path: Path, content: object) -> BaselineRun:
    if not isinstance(content, dict):
        raise _damaged(path, "a run should be an object")
    _want(path, content, {"run": str, "spec": dict, "scores": dict, "outcomes": dict})
    spec, outcomes = content["spec"], content["outcomes"]
    if wrong := spec_problem(spec, _SAID):
        raise _damaged(path, wrong)
    spec = completed(spec)
    if spec["attack"] is None and spec["certifier"] is None:
        raise _damaged(path, f"the run of {spec['metric']!r:.60} has neither attack nor certifier")
    word = _word(spec)
    if not outcomes or not all(isinstance(value, str) and word.fullmatch(value) for value in outcomes.values()):
        raise _damaged(path, f"the outcomes of {spec['metric']} do not fit its {len(spec['eps'])} budgets")
    found = BaselineRun(run=content["run"], spec=spec, outcomes=outcomes)
    if found.scores != content["scores"]:
        raise _damaged(path, f"the scores of {spec['metric']} are not those of its outcomes")
    return found


def _word(spec: Mapping[str, Any]) -> re.Pattern[str]:
    digits = f"[01]{{{len(spec['eps'])}}}"
    parts = (digits if spec[key] else "-" for key in ("certifier", "attack"))
    return re.compile(" ".join(("[01]", *parts)))


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


def of_records(records: Sequence[Record]) -> tuple[BaselineRun, ...]:
    """The runs of a new matrix. Raises UserError where there is none."""
    if not records:
        raise UserError("found no finished run to make a baseline of; first: bench run ... --runs DIR, then --runs DIR")
    return tuple(run_of(record) for record in records)
