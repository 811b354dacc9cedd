"""Names and budgets as users type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref, parse_eps, split_list


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


def test_an_argument_that_stands_twice_is_refused() -> None:
    with pytest.raises(UserError, match="expected each argument once, got steps twice"):
        Ref.parse("l2-pgd(steps=2,steps=3)")


@pytest.mark.parametrize("text", ["1_0", "\u0663"])
def test_numbers_in_arguments_are_ascii_digits(text: str) -> None:
    assert Ref.parse(f"a(b={text})").args == (("b", text),)


def test_lists_are_split_outside_parentheses_and_each_once() -> None:
    assert split_list(["a(x=1,y=2),b", " c ,,a(x=1,y=2)", ""]) == ["a(x=1,y=2)", "b", "c"]
    assert split_list([]) == []


def test_a_list_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="expected a list between commas, got ', '"):
        split_list([", "])


def test_budgets() -> None:
    assert parse_eps(["2.0,36/255", "0.5", "1/2", "1e-2"]) == (0.01, 36 / 255, 0.5, 2.0)
    assert parse_eps([]) == ()


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1/0", "two", "1e400", "-1/255", "1e-400", "1_0", "\u0663"])
def test_no_budget(text: str) -> None:
    with pytest.raises(UserError, match="--eps wants"):
        parse_eps(["1", text])


_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12)


@given(st.one_of(_TEXTS, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_name_with_any_argument_reads_back_as_it_was(value):
    ref = Ref("copies", None, (("edit", value), ("level", 2)))
    assert Ref.parse(str(ref)) == ref
    assert split_list([f"{ref},psnr"]) == [str(ref), "psnr"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("a(edit='jpeg:95,75')", "jpeg:95,75"), ("a(edit=jpeg(q=75))", "jpeg(q=75)"), ('a(edit="0.5")', "0.5")],
)
def test_quotes_and_parentheses_keep_a_text_together(text, value):
    assert Ref.parse(text).args == (("edit", value),)
