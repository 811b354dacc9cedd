"""Which triplets share a reference image: they stand or fall together, so they are drawn together."""

from collections.abc import Iterable

import numpy as np

from results.record import Record


def references(record: Record, ids: Iterable[str]) -> np.ndarray:
    """A name for the reference image of each triplet; its own id where no other triplet has the same.

    The column `group` of the samples is a subset of the data, such as a family of distortions, and says nothing of it;
    runs on data whose references repeat keep `references` among their facts.
    """
    names = record.facts.get("references", {})
    return np.array([names.get(one, one) for one in ids], dtype=str)
