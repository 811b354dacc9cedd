"""What record.json must be to be believed: keys of the right types, values in range, none that contradict another.

Runs and baselines are checked here and nowhere else; their samples in sample_checks.py. Each function gives one
sentence that names the field, or ''.

A value in place of another valid one cannot be seen here unless the two contradict each other: that is what the seal is
for (seal.py). A key that is missing where the first runs did not write it reads as it did in those.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref, split_list
from perceptbench.core.spec import METRIC_TYPED
from perceptbench.results.tasks.base import installed, scores_of

LEAST_TASK_SCHEMA = 2
"""Since this schema a spec says task and threat itself."""
_MOST_INT = 2**53


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a value may be, and how to say it."""

    words: str
    fits: Callable[[Any], bool]

    def or_null(self) -> "Wanted":
        """The same, or null."""
        return Wanted(f"{self.words} or null", lambda value: value is None or self.fits(value))


def _is_number(value: object) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST_INT
    return whole or (isinstance(value, float) and math.isfinite(value))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and _is_number(value)


def number(low: float = -math.inf, high: float = math.inf) -> Wanted:
    """A finite number within limits."""
    limits = f" from {low:g} to {high:g}" if high < math.inf else f" of at least {low:g}" if low > -math.inf else ""
    return Wanted(f"a number{limits}", lambda value: _is_number(value) and low <= value <= high)


def whole(low: int) -> Wanted:
    """A whole number from a limit on."""
    return Wanted(f"a whole number of at least {low}", lambda value: _is_whole(value) and value >= low)


def one_of(*values: object) -> Wanted:
    """One of a few texts or null."""
    words = " or ".join("null" if value is None else repr(value) for value in values)
    return Wanted(words, lambda value: isinstance(value, str | None) and value in values)


def mapping(of: Wanted | None = None) -> Wanted:
    """An object, and what its values are."""
    words = "an object" + (f" of {of.words}" if of else "")
    return Wanted(words, lambda value: isinstance(value, dict) and (of is None or all(map(of.fits, value.values()))))


def listed(of: Wanted) -> Wanted:
    """A list, and what stands in it."""
    return Wanted(f"a list of {of.words}", lambda value: isinstance(value, list) and all(map(of.fits, value)))


def _is_text(value: object) -> bool:
    """Lines of signs that can be printed: a terminal obeys others."""
    return isinstance(value, str) and value.replace("\n", " ").isprintable()


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


TEXT = Wanted("a text that can be printed", _is_text)


def _is_name(value: object) -> bool:
    if not (isinstance(value, str) and value.strip() and value.isprintable()):
        return False
    try:
        Ref.parse(value)
    except UserError:
        return False
    return True


def _are_names(value: object) -> bool:
    try:
        return isinstance(value, str) and all(map(_is_name, split_list([value])))
    except UserError:
        return False


NAME = Wanted("a name", _is_name)
CHANNELS = Wanted("8bit, or channels in a list", _are_names)
FLAG = Wanted("true or false", lambda value: isinstance(value, bool))
SCALAR = Wanted("texts and numbers", lambda value: value is None or isinstance(value, str | bool) or _is_number(value))
EPS = Wanted(
    "a sorted list of different, positive and finite numbers",
    lambda value: (
        isinstance(value, list)
        and bool(value)
        and all(_is_number(one) and one > 0 for one in value)
        and all(one < other for one, other in pairwise(value))
    ),
)

HEADER = {
    "schema": whole(1),
    "run": TEXT,
    "status": one_of("done", "failed"),
    "spec": mapping(),
    "provenance": mapping(),
    "facts": mapping(),
}
SPEC = {
    "metric": NAME,
    METRIC_TYPED: NAME,
    "data": NAME,
    "attack": NAME.or_null(),
    "certifier": NAME.or_null(),
    "norm": one_of("l2", "linf", None),
    "eps": EPS,
    "task": NAME,
    "threat": NAME,
    "goal": NAME,
    "eps_unit": TEXT,
    "seed": Wanted("a whole number", _is_whole),
    "limit": whole(1).or_null(),
    "skip_certified": FLAG,
    "move": NAME,
    "eps_left": number(0).or_null(),
    "eps_right": number(0).or_null(),
    "restarts": whole(1),
    "quantize": CHANNELS.or_null(),
    "protocol": one_of("ours", "paper"),
    "arguments": mapping(mapping(SCALAR)),
    "fingerprints": mapping(TEXT),
}
ALWAYS_SAID = ("metric", "data", "attack", "certifier", "norm", "eps")
"""Keys of a spec of every schema."""
PROVENANCE = {
    "time": Wanted("a time as ISO 8601 writes it", _is_time),
    "commit": TEXT.or_null(),
    "dirty": FLAG.or_null(),
    "versions": mapping(TEXT.or_null()),
    "python": TEXT,
    "machine": TEXT,
    "device": TEXT,
    "threads": whole(1),
    "seed": Wanted("a whole number", _is_whole),
}


def _is_part(value: object) -> bool:
    return isinstance(value, dict) and TEXT.fits(value.get("part")) and all(map(SCALAR.fits, value.values()))


def _is_flag(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    texts, numbers, marks = (value.get("flag"), value.get("sentence")), ("measured", "threshold"), value.get("marks")
    said = all(map(TEXT.fits, texts)) and all(_is_number(value.get(key)) for key in numbers)
    return said and isinstance(marks, list) and all(map(TEXT.fits, marks))


FACTS = {
    "unit": one_of("percent", "distance"),
    "answers": FLAG,
    "people": FLAG,
    "cosine": FLAG,
    "parts": listed(Wanted("a part with its name", _is_part)),
    "parts_left_out": listed(TEXT),
    "followed": listed(TEXT),
    "draws": mapping(whole(1)),
    "flags": listed(Wanted("a flag with its numbers, sentence and marks", _is_flag)),
    "flags_measured": mapping(number()),
    "minimal": FLAG,
    "sound": FLAG.or_null(),
    "confidence": number(0, 1).or_null(),
    "promise": TEXT,
    "state": mapping(),
    "n": whole(1),
    "ties": whole(0),
    "note": TEXT,
    "references": mapping(TEXT),
    "others": mapping(TEXT),
    "converted": mapping(whole(1)),
    "resumed": whole(0),
    "seconds": number(0),
    "forwards": number(0),
    "backwards": number(0),
    "min_norm_ref": number(0).or_null(),
}
"""Every fact that is read anywhere. Facts that nobody here reads may be anything but a number that is not finite."""


def _first_wrong(
    where: str, values: Mapping[str, Any], kinds: Mapping[str, Wanted], required: Collection[str] = ()
) -> str:
    """The first of these values that is not what it should be, in a sentence; only the required ones must be there."""
    for key, kind in kinds.items():
        if key in values and not kind.fits(values[key]):
            return f"{where}{key} should be {kind.words}, got {values[key]!r:.60}"
        if key not in values and key in required:
            return f"{where}{key} should be {kind.words}, got nothing"
    return ""


def header_problem(header: Mapping[str, Any]) -> str:
    """What is wrong with the content of record.json, whose schema is known to be one that is read."""
    if wrong := _first_wrong("", header, HEADER, HEADER) or _not_finite("", header):
        return wrong
    spec, facts = header["spec"], header["facts"]
    said = ALWAYS_SAID if header["schema"] < LEAST_TASK_SCHEMA else (*ALWAYS_SAID, "task", "threat")
    return (
        spec_problem(spec, said)
        or _first_wrong("provenance.", header["provenance"], PROVENANCE)
        or _first_wrong("facts.", facts, FACTS)
        or _contradiction(spec, facts)
    )


def spec_problem(spec: Mapping[str, Any], required: Collection[str]) -> str:
    """What is wrong with a spec in which these keys must be said; of a task that is installed also goal and move."""
    if wrong := _first_wrong("spec.", spec, SPEC, required):
        return wrong
    if METRIC_TYPED in spec and Ref.parse(spec[METRIC_TYPED]).alias != spec["metric"]:
        return f"spec.{METRIC_TYPED} should begin with {spec['metric']}=, got {spec[METRIC_TYPED]!r:.60}"
    if spec["norm"] is None and "threat" not in spec:
        return "spec.threat should say which set of changes it is, as spec.norm is null"
    if "task" not in spec or not installed(spec["task"]):
        return ""
    task = scores_of(spec["task"])
    return _first_wrong("spec.", spec, {"goal": one_of(*task.goals), "move": one_of(*task.moves)})


def _contradiction(spec: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    if "task" in spec and "unit" in facts and installed(spec["task"]):
        unit = "distance" if scores_of(spec["task"]).endless else "percent"
        if facts["unit"] != unit:
            return f"facts.unit should be {unit!r} for the task {spec['task']}, got {facts['unit']!r}"
    repeats = "task" in spec and installed(spec["task"]) and scores_of(spec["task"]).repeats
    if spec.get("limit") is not None and facts.get("n", 1) > spec["limit"] and not repeats:
        return f"facts.n should be at most spec.limit, {spec['limit']}, got {facts['n']}"
    if facts.get("resumed", 0) > facts.get("n", math.inf):
        return f"facts.resumed should be at most facts.n, {facts['n']}, got {facts['resumed']}"
    return ""


def _not_finite(where: str, value: object) -> str:
    """The first number anywhere inside that is not finite: JSON has none, though programs write and read them."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{where} should be a finite number, got {value}"
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = (_not_finite(f"{where}.{key}" if where else str(key), one) for key, one in inside)
    return next((wrong for wrong in found if wrong), "")
