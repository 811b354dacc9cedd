"""Somebody's code: its exceptions have a place, its time has an end, and a process it forks goes nowhere."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from perceptbench.core import ref
from perceptbench.core.errors import UserError
from perceptbench.core.others import contained, leave_if_forked, place_of

FILE = """
def raises(error):
    raise error

def calls(function):
    return function()
"""


@pytest.fixture
def theirs(tmp_path: Path) -> ModuleType:
    """A module of somebody's."""
    path, module = tmp_path / "theirs.py", ModuleType("theirs")
    path.write_text(FILE)
    exec(compile(FILE, str(path), "exec"), module.__dict__)
    return module


class SaysNothingError(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("two\nlines"), "ValueError: two lines"),
        (SystemExit(3), r"it called sys.exit\(3\)"),
        (BaseException(), "BaseException"),
        (SaysNothingError(), "SaysNothingError"),
        (OSError("x" * 1000), r"OSError: x{300} \.\.\."),
    ],
)
def test_what_is_raised_is_one_sentence_with_file_and_line(
    theirs: ModuleType, tmp_path: Path, error: BaseException, said: str
) -> None:
    says = rf"^the metric M failed: {said} \({tmp_path}/theirs.py, line 3\)$"
    with pytest.raises(UserError, match=says) as caught, contained("the metric M failed", surely=True):
        theirs.raises(error)
    assert caught.value.__cause__ is error
    with pytest.raises(UserError, match=rf"^raises failed: {said} \("), contained():
        theirs.raises(error)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), UserError("said already")])
def test_what_is_nobodys_fault_or_said_already_stays(theirs: ModuleType, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, contained("it failed", surely=True):
        theirs.raises(error)
    assert caught.value is error


def test_a_fault_of_ours_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ref, "_pieces", None)
    with pytest.raises(TypeError) as caught:
        ref.Ref.parse("l2(a=1)")
    step = caught.value.__traceback__
    assert step is not None
    # The outermost frame is that of this test, which is outside the project like any caller of its API.
    assert place_of(caught.value.with_traceback(step.tb_next)) is None


def test_a_place_is_found_behind_ours_and_libraries(theirs: ModuleType) -> None:
    try:
        theirs.calls(lambda: sorted([1, "a"]))  # type: ignore[type-var]
    except TypeError as error:
        place = place_of(error)
        assert place is not None
        assert (Path(place.file).name, place.function.rpartition(".")[2]) == (Path(__file__).name, "<lambda>")


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="there is no alarm here")
def test_a_call_that_hangs_is_ended(theirs: ModuleType) -> None:
    def hangs() -> None:
        while True:
            try:
                time.sleep(60)
            except Exception:  # swallows everything but what ends it
                continue

    says = r"^the metric M failed: no answer within 0.2 seconds; mend what hangs$"
    with pytest.raises(UserError, match=says), contained("the metric M failed", surely=True, seconds=0.2):
        theirs.calls(hangs)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.parametrize("fails", [False, True])
def test_a_forked_process_ends_where_the_code_of_others_does(fails: bool) -> None:
    """In a process of its own, since this one must not fork."""
    program = f"""
import os
from perceptbench.core.others import contained
try:
    with contained("it failed", surely=True):
        child = os.fork()
        if {fails} and not child:
            raise ValueError
except Exception:
    print("the child goes on")
print("the parent goes on", os.waitpid(child, 0)[1])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "the parent goes on 0\n"


def test_the_process_itself_is_not_left() -> None:
    leave_if_forked(os.getpid())
