"""The fuzz campaign: planted faults of each kind are found and minimised, and what it kept is judged again."""

import io
import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import strategies as st
from PIL import Image

from benchmarks.fuzz import __main__ as command
from benchmarks.fuzz import corpus, hunt, oracle
from benchmarks.fuzz.hunt import SURFACES, Findings, named, one
from benchmarks.fuzz.oracle import CaseFailure, WrongError
from benchmarks.fuzz.surface import Surface
from benchmarks.fuzz.surfaces import commands, image_files, stored_runs, tables, weight_files
from perceptbench.core.errors import UserError
from perceptbench.results import reading
from perceptbench.triplets import csv_rows

BY_NAME = {surface.name: surface for surface in SURFACES}


def found(surface: Surface, folder: Path, cases: int = 120) -> Findings:
    """What a search finds, in this process."""
    search = hunt._Search(surface, folder, time.monotonic() + 300)
    for number in range(3):
        hunt._call(search, surface.cases(), cases, number)
    return search.found


def made_up(judge, cases=st.binary(max_size=20)):  # type: ignore[no-untyped-def]  # noqa: B008
    return Surface("made up", lambda: cases, judge, 1)


@pytest.mark.parametrize(
    ("surface", "original"),
    [
        *((form, content) for form in ("png", "jpeg", "webp", "bmp") for content in image_files.originals(form)[:1]),
        ("csv", tables.table(tables.ROWS)),
        ("nights", b"[]"),
        ("bapps", b"[]"),
        ("record.json", stored_runs.original()["record.json"]),
        ("samples.parquet", stored_runs.original()["samples.parquet"]),
        ("baseline", json.dumps(stored_runs._baseline()).encode()),
        ("safetensors", weight_files.network()),
        ("pth", weight_files.archive()),
        *(("command line", json.dumps(line).encode()) for line in commands.LINES),
        ("config file", commands.CONFIG),
    ],
)
def test_what_is_not_changed_is_no_failure(surface: str, original: bytes, tmp_path: Path) -> None:
    assert one(BY_NAME[surface], original, tmp_path) is None


@pytest.mark.parametrize(("form", "split", "join"), [
    ("png", image_files.chunks, image_files.of_chunks), ("jpeg", image_files.segments, image_files.of_segments),
    ("webp", image_files.riff, image_files.of_riff),
])  # fmt: skip
def test_pieces_put_together_again_are_the_file(form, split, join) -> None:  # type: ignore[no-untyped-def]
    for original in image_files.originals(form):
        again = join(split(original))
        assert again == original or list(Image.open(io.BytesIO(again)).getdata()) == list(
            Image.open(io.BytesIO(original)).getdata()
        )


def test_a_crash_is_found_and_minimised(tmp_path: Path) -> None:
    def judge(case: bytes, folder: Path) -> None:
        if len(case) > 3:
            raise KeyError("planted")

    (kind, (failure, case)), *more = found(made_up(judge), tmp_path).examples.items()
    assert kind.startswith("KeyError in")
    assert "planted" in failure.told
    assert case == b"\0\0\0\0"
    assert not more


def test_several_kinds_are_found_in_one_campaign_and_none_stops_it(tmp_path: Path) -> None:
    def judge(case: bytes, folder: Path) -> None:
        if case[:1] == b"\1":
            raise KeyError("one")
        if len(case) > 5:
            raise WrongError("another number")

    made = found(made_up(judge), tmp_path, cases=200)
    assert {kind.partition(" ")[0] for kind in made.examples} >= {"wrong:"}
    assert made.cases > 100
    assert made.failing >= len(made.examples)


def test_a_hang_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "SECONDS", 0.05)

    def judge(case: bytes, folder: Path) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                time.sleep(0.01)
            except Exception as error:
                raise UserError("a damaged file, as a careless reader says") from error

    failure = one(made_up(judge), b"", tmp_path)
    assert failure is not None
    assert failure.kind.startswith("hang in")


def test_too_much_memory_is_a_failure(tmp_path: Path) -> None:
    failure = one(made_up(lambda case, folder: bytearray(4 << 30)), b"", tmp_path)
    assert failure is not None
    assert failure.kind.startswith("memory in")


@pytest.mark.parametrize("said", ["bad", "Traceback (most recent call last)"])
def test_a_refusal_that_is_no_sentence_is_a_failure(tmp_path: Path, said: str) -> None:
    def judge(case: bytes, folder: Path) -> None:
        raise UserError(said)

    failure = one(made_up(judge), b"", tmp_path)
    assert failure is not None
    assert failure.kind.startswith("sentence of UserError")


def test_a_header_that_is_not_checked_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "header_problem", lambda header: "")
    kinds = set(found(BY_NAME["record.json"], tmp_path).examples)
    assert any(not kind.startswith("wrong") for kind in kinds), kinds


def test_a_seal_that_is_not_checked_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "seal_problem", lambda header: "")
    header = json.loads(stored_runs.original()["record.json"])
    header["provenance"]["cpu"] = "y"
    failure = one(BY_NAME["record.json"], json.dumps(header).encode(), tmp_path)
    assert failure is not None
    assert failure.kind == "wrong: a changed record under the seal of the original"


def test_a_number_that_is_read_wrongly_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that takes any digits, as Python does."""
    number = csv_rows.CsvRow.number

    def careless(self, column, *given, **more):  # type: ignore[no-untyped-def]
        text = self.values[column].strip()
        return 1.0 if text == "٣" else number(self, column, *given, **more)

    monkeypatch.setattr(csv_rows.CsvRow, "number", careless)
    case = tables.table([tables.ROWS[0], (*tables.ROWS[1][:4], "٣", "5"), *tables.ROWS[2:]])
    failure = one(BY_NAME["csv"], case, tmp_path)
    assert failure is not None
    assert failure.kind == "wrong: a share that is no plain number"


def test_a_process_that_dies_is_a_failure_with_the_case_it_was_at(tmp_path: Path) -> None:
    def judge(case: bytes, folder: Path) -> None:
        if case == b"\1":
            os.kill(os.getpid(), 9)

    surface = made_up(judge, st.sampled_from([b"\0", b"\1"]))
    made = hunt.hunt(surface, 30, 0, tmp_path)
    _, case = made.examples["the process ended with -9"]
    assert case == b"\1"
    assert made.failing >= 1


def test_kept_cases_are_found_again(tmp_path: Path) -> None:
    surface = BY_NAME["csv"]
    path = corpus.add(surface, CaseFailure("KeyError in x.y", "told"), b"case", tmp_path)
    assert path is not None
    assert list(corpus.kept((surface,), tmp_path)) == [(surface, path)]
    assert path.name.startswith("keyerror-in-x-y-")
    assert corpus.add(surface, CaseFailure("big", ""), b"x" * (corpus.MOST + 1), tmp_path) is None


def test_the_command_ends_with_status_1_where_a_case_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def judge(case: bytes, folder: Path) -> None:
        if case:
            raise KeyError("planted")

    monkeypatch.setattr(command, "imported", lambda: None)
    monkeypatch.setattr(command, "named", lambda names: (made_up(judge),))
    monkeypatch.setattr("sys.argv", ["fuzz", "--cases", "30"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 1
    assert "KeyError" in capsys.readouterr().out


def test_unknown_surfaces_and_figures_of_some_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="expected surfaces among png, jpeg"):
        named(["gif"])
    monkeypatch.setattr("sys.argv", ["fuzz", "--keep", "--only", "png"])
    with pytest.raises(UserError, match="leave out --only"):
        command.main()


@pytest.mark.parametrize(
    ("surface", "path"),
    [pytest.param(*kept, id=f"{kept[0].name}-{kept[1].stem}") for kept in corpus.kept(SURFACES)],
)
def test_no_kept_case_fails_again(surface: Surface, path: Path, tmp_path: Path) -> None:
    failure = one(surface, path.read_bytes(), tmp_path)
    assert failure is None, failure
