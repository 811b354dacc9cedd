"""JSON that every program reads: a number that is not finite becomes null, since JSON has no NaN and no infinity."""

import json
import math
from collections.abc import Mapping


def json_line(value: object) -> str:
    """Plain values as one line of ASCII."""
    return json.dumps(finite(value), allow_nan=False)


def finite(value: object) -> object:
    """The same plain values, with None for each number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value
