"""One value of a stored run is changed at a time: a sentence that names file and field refuses it, or it is harmless.

Without a seal two changes are harmless by the rule of results/header_checks.py: to a valid value that contradicts
nothing, and taking away a key that the first runs did not write. With a seal nothing is.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sealing import edit_record, edit_samples, reseal

from perceptbench.core.errors import UserError
from perceptbench.core.spec import Options
from perceptbench.results.header_checks import FACTS, NAME, PROVENANCE, SPEC
from perceptbench.results.reading import DamagedError
from perceptbench.results.record import COLUMNS, Record
from perceptbench.results.rows import rows_of
from perceptbench.results.store import RunStore

RUN = "0123456789ab"
NAN, INF = float("nan"), float("inf")
VALUES: tuple[Any, ...] = (None, True, 0, -1, 0.5, "", "?", "\x1b[2J", [], [1], {}, {"a": []}, NAN, INF, [1.0, INF])
"""One by one in place of every value of record.json."""

NAMES, TEXTS, AT_LEAST_0 = ["?"], ["", "?"], [0, 0.5]
HARMLESS: dict[str, dict[str, list[Any]]] = {
    "": {"provenance": [{}, {"a": []}], "facts": [{}, {"a": []}]},
    "spec": {
        "data": NAMES, "attack": NAMES, "certifier": [None, *NAMES], "norm": [None], "task": NAMES,
        "threat": NAMES, "eps_unit": TEXTS, "seed": [0, -1], "limit": [None], "skip_certified": [True],
        "eps_left": [None, *AT_LEAST_0], "eps_right": [None, *AT_LEAST_0], "quantize": [None, *NAMES],
        "arguments": [{}], "fingerprints": [{}],
    },
    "provenance": {
        "commit": [None, *TEXTS], "dirty": [None, True], "versions": [{}], "python": TEXTS, "machine": TEXTS,
        "device": TEXTS, "seed": [0, -1],
    },
    "facts": {
        "answers": [True], "people": [True], "cosine": [True], "minimal": [True], "parts": [[]], "sound": [None, True],
        "confidence": [None, *AT_LEAST_0], "promise": TEXTS, "state": [{}, {"a": []}], "ties": [0], "note": TEXTS,
        "references": [{}], "others": [{}], "resumed": [0], "seconds": AT_LEAST_0, "forwards": AT_LEAST_0,
        "backwards": AT_LEAST_0,
        "min_norm_ref": [None, *AT_LEAST_0], "parts_left_out": [[]], "flags": [[]], "flags_measured": [{}],
        "converted": [{}], "followed": [[]], "draws": [{}],
    },
}  # fmt: skip
"""Those of VALUES that are valid, by place and key; none of a key that is not here."""
NEEDED = {"": ["schema", "run", "status", "spec", "provenance", "facts"],
          "spec": ["metric", "data", "attack", "certifier", "norm", "eps", "task", "threat"]}  # fmt: skip
"""Keys that a record of schema 2 cannot do without."""


def _whole(tiny, schema: int) -> Record:
    """A run that says everything there is to say."""
    spec = {
        "goal": "flip", "eps_unit": "l2 norm", "metric_typed": "m=py:mine.py:Mine(p=2)",
        **Options().options(), "limit": 4, "fingerprints": {"data": "dd"},
        "arguments": {"metric": {"file": ""}, "attack": {"steps": 100}},
    }  # fmt: skip
    facts = {
        "answers": True, "people": True, "cosine": False, "parts": [{"part": "fab", "starts": 1}], "minimal": False,
        "confidence": 1.0, "promise": "proof", "state": {}, "n": 4, "ties": 0, "note": "",
        "references": {"a": "x", "b": "x"}, "others": {"a": "y"}, "resumed": 0, "forwards": 12.0, "backwards": 12.0,
        "min_norm_ref": 1.0,
        "parts_left_out": [], "flags": [], "flags_measured": {}, "converted": {"alpha": 2},
        "followed": [], "draws": {"gradient": 10, "verdict": 11},
    }  # fmt: skip
    record = tiny(spec=spec, facts=facts, schema=schema, norm_ref=1.0)
    versions = {"commit": "f" * 40, "dirty": False, "versions": {"torch": "2.9.0"}, "python": "3.11", "machine": "x86"}
    record.provenance.update(versions | {"device": "cpu", "threads": 1, "seed": 0})
    assert (set(record.spec), set(record.facts), set(record.provenance)) == (set(SPEC), set(FACTS), set(PROVENANCE))
    return record


class Stored:
    """A run on disk that can be brought back as it was."""

    def __init__(self, root: Path, record: Record) -> None:
        self.store, self.folder = RunStore(root), root / RUN
        with self.store.writer(RUN) as writer:
            writer.finish(record)
        self._files = {path: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}

    def again(self) -> None:
        for path, data in self._files.items():
            path.write_bytes(data)

    def refused(self) -> str:
        """The sentence that refuses the run; '' where it is read and scored. Nothing but a UserError is raised."""
        try:
            record = self.store.get(RUN)
        except UserError as error:
            return str(error)
        if record.task != "?":
            rows_of(record)
        return ""


@pytest.fixture
def stored(tiny, tmp_path: Path) -> Stored:
    """Of schema 2, which has no seal, so that the checks alone are met."""
    return Stored(tmp_path, _whole(tiny, 2))


def _keys(header: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from (("", key) for key in NEEDED[""])
    yield from ((place, key) for place in ("spec", "provenance", "facts") for key in header[place])


def _places(stored: Stored) -> list[tuple[str, str]]:
    record = stored.store.get(RUN)
    assert record is not None
    return list(_keys(record.header()))


def test_every_value_of_the_record_in_place_of_every_other_type_and_range(stored: Stored) -> None:
    for place, key in _places(stored):
        for value in VALUES:
            edit_record(stored.folder, lambda h: (h[place] if place else h).update({key: value}))  # noqa: B023
            found = stored.refused()
            valid = any(value == one and type(value) is type(one) for one in HARMLESS[place].get(key, []))
            assert bool(found) != valid, (place, key, value, found)
            assert not found or str(stored.folder) in found
            # A value of the record may contradict the samples: then the sentence names these.
            assert not found or f"{place}.{key}".strip(".") in found or (key, value) == ("attack", None), found
            stored.again()


def test_every_key_that_is_missing(stored: Stored) -> None:
    for place, key in _places(stored):
        edit_record(stored.folder, lambda h: (h[place] if place else h).pop(key))  # noqa: B023
        found = stored.refused()
        assert bool(found) == (key in NEEDED.get(place, ())), (place, key, found)
        assert not found or f"{place}.{key} should be".strip(".") in found
        stored.again()


@pytest.mark.parametrize(
    "eps",
    [[], [0, 1.0, 2.0], [-1, 1.0, 2.0], [1.0, 2.0, INF], [NAN, 1.0, 2.0], [2.0, 1.0], [1.0, 1.0, 2.0], [True, 2.0], 1.0]
)  # fmt: skip
def test_eps_that_cannot_be(stored: Stored, eps: object) -> None:
    edit_record(stored.folder, lambda header: header["spec"].update(eps=eps))
    found = stored.refused()
    said = ("spec.eps should be a sorted list of different, positive and finite numbers", "should be a finite number")
    assert "record.json is damaged: spec.eps" in found
    assert any(words in found for words in said)


NUMBERS = (0.0, -1.0, NAN, INF, -INF)
HARMLESS_NUMBERS = {
    "size": [0.0], "forwards": [0.0], "backwards": [0.0],
    "d0_adv": [0.0, -1.0], "d1_adv": [0.0, -1.0], "d_self": [0.0, -1.0],
}  # fmt: skip
"""In one row. What is known before the attack is the same at every eps of a sample, so no change of it is valid."""


def _changed(samples: pd.DataFrame, name: str, row: int, value: object) -> pd.DataFrame:
    samples.loc[row, name] = value
    return samples


@pytest.mark.parametrize("name", [name for name, kind in COLUMNS.items() if kind == "float64"])
def test_every_column_of_numbers(stored: Stored, name: str) -> None:
    for value in NUMBERS:
        edit_samples(stored.folder, lambda samples: _changed(samples, name, 0, value))  # noqa: B023
        found = stored.refused()
        assert bool(found) != (value in HARMLESS_NUMBERS.get(name, [])), (value, found)
        assert not found or ("samples.parquet is damaged: " in found and name in found), found
        stored.again()


@pytest.mark.parametrize(
    ("name", "row", "value", "sentence"),
    [
        ("id", 0, "z", "id 'a' has no row at eps 1"),
        ("id", 0, "b", "two rows of id 'b' at eps 1"),
        ("id", 0, None, "values are missing in id"),
        ("group", 0, "x", "group should be the same at every eps"),
        ("content", 0, "f" * 16, "content should be the same at every eps"),
        ("content", 0, "F" * 16, "content should be 16 hex digits, or empty"),
        ("label", 0, 0, "label and right_share name two sides for 'a' at eps 1"),
        ("label", 0, 2, "label should be 0 or 1, got 2 for 'a'"),
        ("right_share", 0, 1.5, "right_share should be a number from 0 to 1, got 1.5 for 'a'"),
        ("d0", 0, 0.05, "correct should be what d0, d1 and label say, which it is not for 'a' at eps 1"),
        ("d0", 0, 0.6, "d0 should be the same at every eps, which it is not for 'a'"),
        ("correct", 0, False, "correct should be what d0, d1 and label say"),
        ("robust", 2, True, "robust should be false where correct is, got true for 'c' at eps 1"),
        ("robust", 0, False, "robust should stay false at larger eps, got true again for 'a' at eps 2"),
        ("size", 0, 1.1, "size should be at most eps, got 1.1 for 'a' at eps 1"),
        ("radius", [2, 6], 1.0, "radius should be 0 where correct is false, got more for 'c'"),
        ("eps", 0, 1.5, "eps should be one of spec.eps, which it is not for 'a' at eps 1.5"),
        ("broken_by", 0, "x", ""),
        ("robust", 4, False, ""),
        ("radius", [0, 4], INF, ""),
    ],
)
def test_one_value_of_the_samples(stored: Stored, name: str, row: Any, value: object, sentence: str) -> None:
    edit_samples(stored.folder, lambda samples: _changed(samples, name, row, value))
    found = stored.refused()
    assert sentence in found
    assert bool(found) == bool(sentence), found


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: pd.concat([s, s[:1]]), "two rows of id 'a' at eps 1"),
        (lambda s: s.drop(index=5), "id 'b' has no row at eps 2"),
        (lambda s: s[:0], "it has no samples"),
        (lambda s: s[s["id"] != "d"], "id should have facts.n, 4, different values, got 3"),
        (lambda s: s[s["eps"] == 1], "id 'a' has no row at eps 2"),
        (lambda s: s.assign(id=s["id"].replace("a", "z")), "facts.references names 'a', which is the id of no sample"),
        (lambda s: s.iloc[::-1], ""),
        *((lambda s, name=name: s.drop(columns=name), "have the columns") for name in COLUMNS if name != "content"),
        *((lambda s, name=name: s.assign(**{name: [[1]] * 8}), f"the column {name} should be") for name in COLUMNS),
    ],
)  # fmt: skip
def test_rows_and_columns(stored: Stored, change, sentence: str) -> None:
    edit_samples(stored.folder, change)
    found = stored.refused()
    assert sentence in found
    assert bool(found) == bool(sentence), found


def test_with_its_own_seal_no_change_of_the_record_is_harmless(tiny, tmp_path: Path) -> None:
    stored = Stored(tmp_path, _whole(tiny, 3))
    before = stored.store.get(RUN)
    for place, keys in HARMLESS.items():
        was = getattr(before, place) if place else before.header()
        for key in was:
            for value in (one for one in keys.get(key, ["done"]) if one != was[key]):
                edit_record(stored.folder, lambda h: (h[place] if place else h).update({key: value}), seal=False)  # noqa: B023
                assert str(stored.folder / "record.json") in stored.refused(), (place, key, value)
                stored.again()
            edit_record(stored.folder, lambda h: (h[place] if place else h).pop(key), seal=False)  # noqa: B023
            assert str(stored.folder / "record.json") in stored.refused()
            stored.again()


def test_with_its_own_seal_no_change_of_the_samples_is_harmless(tiny, tmp_path: Path) -> None:
    stored = Stored(tmp_path, _whole(tiny, 3))
    for name, kind in COLUMNS.items():
        other = {"string": "0" * 16, "bool": name == "robust", "int8": 1}.get(kind, 0.25)
        edit_samples(stored.folder, lambda s: _changed(s, name, 7, other), seal=False)  # noqa: B023
        assert "samples.parquet is damaged: its content is not what was written, as the seal" in stored.refused(), name
        stored.again()
    assert stored.refused() == ""


@pytest.mark.parametrize("seal", [None, 1, {}, {"samples": {}, "images": {}, "record": ""}])
def test_a_seal_that_is_none(tiny, tmp_path: Path, seal: object) -> None:
    stored = Stored(tmp_path, _whole(tiny, 3))
    edit_record(stored.folder, lambda header: header.update(seal=seal), seal=False)
    assert "seal" in stored.refused()


def test_a_sealed_record_does_not_pass_for_an_older_one(tiny, tmp_path: Path) -> None:
    stored = Stored(tmp_path, _whole(tiny, 3))
    edit_record(stored.folder, lambda header: header.update(schema=2), seal=False)
    assert "a record of schema 2 has no seal, and this one has" in stored.refused()


def test_what_a_seal_names_lies_in_the_folder_of_the_run(tiny, tmp_path: Path) -> None:
    stored = Stored(tmp_path, _whole(tiny, 3))
    edit_record(stored.folder, lambda h: h["seal"]["samples"].update({"../samples.parquet": "0" * 64}), seal=False)
    assert "seal.samples should be SHA-256 by name of file" in stored.refused()


def test_an_older_run_is_unsealed_and_has_no_content(tiny, tmp_path: Path) -> None:
    stored = Stored(tmp_path, _whole(tiny, 2))
    edit_samples(stored.folder, lambda samples: samples.drop(columns="content"), seal=False)
    record = stored.store.get(RUN)
    assert not record.sealed
    assert record.samples["content"].tolist() == [""] * 8
    assert list(record.samples.columns) == list(COLUMNS)
    assert Stored(tmp_path / "new", _whole(tiny, 3)).store.get(RUN).sealed


@pytest.fixture
def parts(tiny, tmp_path: Path) -> Stored:
    """A sealed run whose samples lie in two parts."""
    stored = Stored(tmp_path, _whole(tiny, 3))
    one, folder = stored.folder / "samples.parquet", stored.folder / "samples"
    folder.mkdir()
    for number, rows in enumerate((slice(0, 3), slice(3, 8))):
        pd.read_parquet(one)[rows].to_parquet(folder / f"{number:06d}.parquet", index=False)
    one.unlink()
    reseal(stored.folder)
    return stored


def test_samples_in_parts_are_the_same_run(parts: Stored, tiny) -> None:
    header = json.loads((parts.folder / "record.json").read_text())
    assert sorted(header["seal"]["samples"]) == ["samples/000000.parquet", "samples/000001.parquet"]
    pd.testing.assert_frame_equal(parts.store.get(RUN).samples, _whole(tiny, 3).samples)


def test_a_part_that_was_changed_or_is_gone_is_named(parts: Stored) -> None:
    last = parts.folder / "samples" / "000001.parquet"
    data = last.read_bytes()
    last.write_bytes(data[:-1] + b"\0")
    assert f"{last} is damaged: its content is not what was written" in parts.refused()
    last.unlink()
    assert f"{last} is damaged: it is missing" in parts.refused()


def test_a_damaged_run_is_set_aside_and_passed_over(tiny, tmp_path: Path) -> None:
    stored = Stored(tmp_path, _whole(tiny, 3))
    edit_record(stored.folder, lambda header: header.update(status="failed"), seal=False)
    with pytest.raises(DamagedError):
        stored.store.get(RUN)
    (tmp_path / f"{RUN}.aside-1").mkdir()
    aside = stored.store.set_aside(RUN)
    assert aside == tmp_path / f"{RUN}.aside-2"
    assert {path.name for path in aside.iterdir()} == {".lock", "record.json", "samples.parquet"}
    assert stored.store.get(RUN) is None
    assert stored.store.select() == []
    with stored.store.writer(RUN) as writer:
        writer.finish(_whole(tiny, 3))
    assert stored.store.get(RUN) is not None


def test_a_run_that_is_being_written_or_is_not_there_is_not_set_aside(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    with pytest.raises(UserError, match=f"there is no run {RUN}"):
        store.set_aside(RUN)
    with store.writer(RUN), pytest.raises(UserError, match="another process is working on the run"):
        store.set_aside(RUN)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("flags", "abc"), ("flags", [1]), ("flags", [{"marks": ["attack"]}]), ("parts_left_out", 5),
        ("parts", [{"x": 1}]),
        ("flags", [{"flag": "batch", "measured": "a", "threshold": 1, "sentence": "", "marks": []}]),
        ("flags", [{"flag": "batch", "measured": 1, "threshold": 1, "sentence": "\x1b[31m", "marks": []}]),
    ],
)  # fmt: skip
def test_facts_that_tables_show_are_what_they_should_be(key: str, value: object) -> None:
    assert not FACTS[key].fits(value)


@pytest.mark.parametrize("name", ["lipsim(", "margin((", " ", "a\nb"])
def test_a_name_is_one_that_can_be_read(name: str) -> None:
    assert not NAME.fits(name)
    assert NAME.fits("l2-pgd(steps=5)")
