"""Names, budgets and the identity of a run."""

from dataclasses import replace

import pytest

from perceptbench.core.errors import UserError
from perceptbench.core.spec import Ref, RunSpec, canonical_json, parse_eps, split_list


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("l2", Ref("l2")),
        ("l2-pgd(steps=100)", Ref("l2-pgd", None, (("steps", 100),))),
        ("lipsim:/a b/w.safetensors", Ref("lipsim", "/a b/w.safetensors")),
        ("nights:/data@test(min_votes=7)", Ref("nights", "/data@test", (("min_votes", 7),))),
        ("py:/m(1)/own.py:Mine", Ref("py", "/m(1)/own.py:Mine")),
        ("l2-aa(full)", Ref("l2-aa", None, (("full", True),))),
        (
            "a(x=0.25,y=none,z=false,w=word,v=-3)",
            Ref("a", None, tuple(zip("xyzwv", (0.25, None, False, "word", -3), strict=True))),
        ),
        (" l2-pgd ( steps = 5 ) ", Ref("l2-pgd", None, (("steps", 5),))),
        ("a(e=1e-05,f=36/255)", Ref("a", None, (("e", 1e-05), ("f", 36 / 255)))),
        ("a()", Ref("a")),
        ("a:", Ref("a", "")),
    ],
)
def test_parse_and_round_trip(text: str, ref: Ref) -> None:
    assert Ref.parse(text) == ref
    assert Ref.parse(str(ref)) == ref
    assert [type(v) for _, v in Ref.parse(text).args] == [type(v) for _, v in ref.args]


@pytest.mark.parametrize("text", ["", "  ", "(a=1)", ":x", "l2-pgd(steps=5", "a(1x=2)", "a(=2)", "a(b c=2)"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        Ref.parse(text)


def test_lists_are_split_outside_parentheses_and_each_once() -> None:
    assert split_list(["a(x=1,y=2),b", " c ,,a(x=1,y=2)", ""]) == ["a(x=1,y=2)", "b", "c"]
    assert split_list([]) == []


def test_budgets() -> None:
    assert parse_eps(["2.0,36/255", "0.5", "1/2", "1e-2"]) == (0.01, 36 / 255, 0.5, 2.0)
    assert parse_eps([]) == ()


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1/0", "two", "1e400", "-1/255", "1e-400"])
def test_no_budget(text: str) -> None:
    with pytest.raises(UserError, match="--eps wants"):
        parse_eps(["1", text])


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
