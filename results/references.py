"""Which triplets share a reference image: their answers are not independent, so intervals draw them together."""

from collections.abc import Iterable, Mapping

import numpy as np

from perceptbench.core.errors import UserError
from perceptbench.results.record import Record


def references(record: Record, ids: Iterable[str]) -> np.ndarray:
    """A name for the reference image of each triplet; its own id where no other triplet has the same.

    The column `group` of the samples is a subset of the data, such as a family of distortions, and says nothing of it;
    runs on data whose references repeat keep them among their facts.
    """
    names = record.facts.get("references", {})
    if not isinstance(names, Mapping):
        raise UserError(f"the record of run {record.run} is damaged: references should map ids to names; run it again")
    # A reference may have the name of another triplet.
    return np.array([f"reference {names[one]}" if one in names else f"triplet {one}" for one in ids], dtype=str)


def photographs(record: Record, ids: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Names of the photographs on both sides of each pair, equal where a photograph stands in several pairs.

    A sample that is no pair has its reference on both sides.
    """
    names, others = record.facts.get("references", {}), record.facts.get("others", {})
    if not isinstance(names, Mapping) or not isinstance(others, Mapping):
        raise UserError(f"the record of run {record.run} is damaged: others should map ids to names; run it again")
    return both_sides(names, others, ids)


def both_sides(
    names: Mapping[str, str], others: Mapping[str, str], ids: Iterable[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The same, from the facts `references` and `others` of a run."""
    ids = list(ids)
    first = np.array([f"photograph {names[one]}" if one in names else f"pair {one}" for one in ids], dtype=str)
    second = [f"photograph {others[one]}" if one in others else name for one, name in zip(ids, first, strict=True)]
    return first, np.array(second, dtype=str)
