"""The identity of a run."""

from dataclasses import replace

import pytest

from perceptbench.core.ref import Ref
from perceptbench.core.spec import RunSpec, canonical_json


def _spec(**changes: object) -> RunSpec:
    base: dict[str, object] = {
        "metric": Ref("lipsim", "/here/w.safetensors"),
        "data": Ref("nights", "/data"),
        "attack": Ref("l2-pgd", None, (("steps", 5),)),
        "certifier": Ref("margin"),
        "eps": (0.5, 1.0),
        "arguments": {"attack": {"steps": 5, "relative_step": 0.1}},
        "fingerprints": {"metric": "ab", "data": "cd"},
    }
    return RunSpec(**{**base, **changes})  # type: ignore[arg-type]


def test_identity_does_not_follow_the_place_of_a_file() -> None:
    assert _spec(metric=Ref("lipsim", "/there/w.safetensors"), data=Ref("nights", "elsewhere")).id == _spec().id
    assert _spec(attack=Ref("l2-pgd")).id == _spec().id
    assert len(_spec().id) == 12
    assert set(_spec().id) <= set("0123456789abcdef")


def test_identity_does_not_follow_the_order_of_entries() -> None:
    assert _spec(fingerprints={"data": "cd", "metric": "ab"}).id == _spec().id
    assert _spec(arguments={"attack": {"relative_step": 0.1, "steps": 5}}).id == _spec().id


@pytest.mark.parametrize(
    "change",
    [
        {"metric": Ref("l2")},
        {"data": Ref("photos")},
        {"attack": None},
        {"attack": Ref("l2-aa")},
        {"certifier": None},
        {"norm": "linf"},
        {"eps": (0.5,)},
        {"seed": 1},
        {"limit": 3},
        {"skip_certified": False},
        {"arguments": {"attack": {"steps": 6, "relative_step": 0.1}}},
        {"arguments": {}},
        {"fingerprints": {"metric": "ab", "data": "ce"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_changes_the_identity(change: dict[str, object]) -> None:
    assert _spec(**change).id != _spec().id
    assert replace(_spec(), **change).id == _spec(**change).id  # type: ignore[arg-type]


def test_canonical_json_has_no_numbers_that_are_none() -> None:
    assert canonical_json({"b": 1, "a": [1.5, None]}) == '{"a":[1.5,null],"b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))
