"""Names that file systems allow, as text that can be printed; numbers that JSON has no word for."""

import io
import json
import os

import pytest

from perceptbench.core.plain_json import json_line
from perceptbench.core.printable import never_fail, printable, printable_lines


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (os.fsdecode(b"caf\xe9.csv"), r"caf\xe9.csv"),
        ("two\nlines\t", r"two\nlines\t"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\u202egnp.b", r"a\u202egnp.b"),
        ("Screen\u202fshot", r"Screen\u202fshot"),
        ("\ud800 alone", r"\ud800 alone"),
        ("$$_{x}%\\|*`<script> \u4e2d\u6587 caf\xe9", "$$_{x}%\\|*`<script> \u4e2d\u6587 caf\xe9"),
    ],
)
def test_only_what_cannot_be_printed_is_escaped(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert shown.isprintable()
    assert printable(shown) == shown
    shown.encode()


def test_lines_stay_lines() -> None:
    assert printable_lines("one\ntwo\x1b") == "one\ntwo\\x1b"


def test_a_stream_escapes_what_its_encoding_lacks() -> None:
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding="ascii")
    with pytest.raises(UnicodeEncodeError):
        stream.write("caf\xe9")
    never_fail(stream, None)
    stream.write("caf\xe9 \u4e2d \udce9")
    stream.flush()
    assert content.getvalue() == rb"caf\xe9 \u4e2d \udce9"


def test_numbers_that_are_not_finite_are_null_at_any_depth() -> None:
    value = {"a": float("nan"), "b": [1.5, float("inf"), (float("-inf"), "x")], "c": True, "d": None}
    assert json.loads(json_line(value)) == {"a": None, "b": [1.5, None, [None, "x"]], "c": True, "d": None}
