"""What the command prints of an error."""

import pytest

from perceptbench.bench import cli
from perceptbench.core.errors import UserError, sentence


def failed() -> UserError:
    """An error that got a note on its way."""
    error = UserError("the metric gave no number; mend it")
    error.add_note("raised in the samples a, b")
    return error


def test_notes_stand_behind_the_message() -> None:
    assert sentence(ValueError("wrong")) == "wrong"
    assert sentence(failed()) == "the metric gave no number; mend it; raised in the samples a, b"


def test_the_command_prints_them(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def app() -> None:
        raise failed()

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert capsys.readouterr().err == "bench: the metric gave no number; mend it; raised in the samples a, b\n"


def test_texts_of_others_cannot_break_the_sentence() -> None:
    assert str(UserError("no column 'a\nb\x1b[2J', add it")) == "no column 'a\\nb\\x1b[2J', add it"
