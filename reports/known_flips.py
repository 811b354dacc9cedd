"""A flip found at a small eps is one at every larger eps: what one run found, later runs of the attack keep."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from perceptbench.results.record import Record
from perceptbench.results.rows import default_question
from perceptbench.results.tasks.base import task_name

_ATTACK = ("metric", "data", "attack", "seed", "goal", "restarts")
_FLIP = ["d0_adv", "d1_adv", "d_self", "size", "broken_by"]
"""What comes with a flip from the run that found it."""


def with_known_flips(records: Sequence[Record]) -> list[Record]:
    """The same runs in their order; a triplet that one broke counts as broken in the others at eps as large.

    Across runs of one metric, with the same weights and data, of one threat, attack, goal, restarts and seed, by the id
    of the triplet; only where the reference alone moves, and not across runs of different code. This is sound: a change
    of size at most eps is one of size at most any larger eps. Runs to which nothing is added come back as they are.
    """
    return [_with_flips(record, [other for other in records if _same_attack(record, other)]) for record in records]


def _same_attack(record: Record, other: Record) -> bool:
    one, two = record.spec, other.spec
    if record is other or not (_flips(record) and _flips(other)) or code_changed(record, other):
        return False
    first, second = ([spec.get("fingerprints", {}).get(kind) for kind in ("data", "weights")] for spec in (one, two))
    return first == second and record.threat == other.threat and all(one.get(key) == two.get(key) for key in _ATTACK)


def code_changed(record: Record, other: Record) -> bool:
    """Whether code changed between two runs; with other components it differs anyway, and says nothing."""
    one, two = record.spec, other.spec
    comparable = all(one[key] == two[key] for key in ("metric", "data", "attack", "certifier"))
    return comparable and one.get("fingerprints", {}).get("code") != two.get("fingerprints", {}).get("code")


def _flips(record: Record) -> bool:
    return bool(record.spec["attack"]) and task_name(record.task) == "preference" and default_question(record)


def _with_flips(record: Record, others: Sequence[Record]) -> Record:
    if not others:
        return record
    frames = [other.samples[other.samples["correct"] & ~other.samples["robust"]] for other in others]
    found = pd.concat(frames).sort_values(["eps", "size"], kind="stable").drop_duplicates("id").set_index("id")
    samples = record.samples.reset_index(drop=True)
    first = found["eps"].reindex(samples["id"]).to_numpy(dtype=float)
    now_broken = samples["robust"].to_numpy(dtype=bool) & (first <= samples["eps"].to_numpy())
    if not now_broken.any():
        return record
    samples.loc[now_broken, "robust"] = False
    for column in _FLIP:
        samples.loc[now_broken, column] = found.loc[samples.loc[now_broken, "id"], column].to_numpy()
    return replace(record, samples=samples)
