"""What was written comes back, whoever is killed, and no file is believed unread."""

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sealing import edit_record, edit_samples

from perceptbench.core.errors import LeftOutWarning, UserError
from perceptbench.results.header_checks import FACTS
from perceptbench.results.record import COLUMNS, SCHEMA, Record
from perceptbench.results.store import RunStore

RUN = "0123456789ab"

_NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)
_SIZES = st.floats(0, 1e300)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def _put(store: RunStore, record: Record) -> None:
    with store.writer(record.run) as writer:
        writer.finish(record)


@st.composite
def _records(draw: st.DrawFn) -> Record:
    """Any run that can be: some samples at some eps, with answers that their distances give."""
    ids = draw(st.lists(_TEXTS, min_size=1, max_size=4, unique=True))
    eps = sorted(draw(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=3, unique=True)))
    frames, n = [], len(ids)
    several = {name: draw(st.lists(_NUMBERS, min_size=n, max_size=n)) for name in ("d0", "d1")}
    several["radius"] = draw(st.lists(st.floats(0, allow_nan=False), min_size=n, max_size=n))
    label = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    clean = pd.DataFrame({"id": ids, "group": draw(_TEXTS), "label": label, "right_share": 0.2 + 0.6 * label})
    clean = clean.assign(**several)
    clean["correct"] = np.where(label == 1, clean["d0"] > clean["d1"], clean["d0"] < clean["d1"])
    clean["norm_ref"], clean["content"] = draw(st.sampled_from([float("nan"), 2.0])), f"{draw(st.integers(0, 9)):016x}"
    for budget in eps:
        frame = clean.assign(eps=budget, robust=False, broken_by=draw(_TEXTS), size=draw(st.floats(0, budget)))
        for name in ("d0_adv", "d1_adv", "d_self"):
            frame[name] = draw(_NUMBERS)
        for name in ("forwards", "backwards"):
            frame[name] = draw(_SIZES)
        frames.append(frame)
    spec = {"metric": "m", "data": "d", "attack": "a", "certifier": None, "norm": "l2", "eps": eps}
    facts = draw(st.dictionaries(st.text(max_size=5).filter(lambda key: key not in FACTS), _NUMBERS, max_size=3))
    samples = pd.concat(frames, ignore_index=True)[list(COLUMNS)].astype(COLUMNS)
    spec |= {"task": "preference", "threat": "l2"}
    return Record(run=RUN, spec=spec, provenance={}, samples=samples, facts=facts)


@settings(max_examples=40, deadline=None)
@given(_records())
def test_every_record_comes_back_as_it_was(record: Record) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder))
        _put(store, record)
        back = store.get(RUN)
        assert back is not None
        assert back.header() == record.header()
        assert back.sealed
        pd.testing.assert_frame_equal(back.samples, record.samples)


def test_the_order_of_rows_is_that_of_the_record(tmp_path: Path, tiny) -> None:
    record = tiny()
    shuffled = replace(record, samples=record.samples.iloc[::-1].reset_index(drop=True))
    _put(RunStore(tmp_path), shuffled)
    assert RunStore(tmp_path).get(RUN).samples["id"].tolist() == ["d", "c", "b", "a"] * 2


def test_absent_and_unfinished_runs_are_none(tmp_path: Path, tiny) -> None:
    store = RunStore(tmp_path)
    assert store.get(RUN) is None
    with store.writer(RUN) as writer:
        assert len(writer.done) == 0
        writer.add(tiny().samples)
    assert store.get(RUN) is None
    assert store.select() == []


def test_shards_are_continued_and_then_dropped(tmp_path: Path, tiny) -> None:
    store, record = RunStore(tmp_path), tiny()
    first, second = (record.samples[record.samples["id"].isin(ids)] for ids in (["a", "b"], ["c", "d"]))
    with store.writer(RUN) as writer:
        writer.add(first)
    with store.writer(RUN) as writer:
        pd.testing.assert_frame_equal(writer.done, first.reset_index(drop=True))
        writer.add(second)
    with store.writer(RUN) as writer:
        assert writer.done["id"].tolist() == ["a", "b"] * 2 + ["c", "d"] * 2
        writer.finish(record)
    assert sorted(path.name for path in (tmp_path / RUN).iterdir()) == [".lock", "record.json", "samples.parquet"]


def test_damaged_shards_and_halves_are_deleted(tmp_path: Path, tiny) -> None:
    store = RunStore(tmp_path)
    with store.writer(RUN) as writer:
        writer.add(tiny().samples)
        writer.add(tiny().samples)
    shards = sorted((tmp_path / RUN / "shards").iterdir())
    shards[0].write_bytes(shards[0].read_bytes()[:200])
    (shards[0].parent / ".000002.parquet.77.part").write_bytes(b"half")
    with store.writer(RUN) as writer:
        assert len(writer.done) == 8
        assert list(shards[0].parent.iterdir()) == [shards[1]]
        writer.add(tiny().samples)
    assert shards[1].exists()
    assert len(list(shards[0].parent.iterdir())) == 2


_KILLED = """
import os, pickle, signal, sys
from pathlib import Path
import perceptbench.core.files
import perceptbench.results.store as store
record = pickle.loads(sys.stdin.buffer.read())
after = int(sys.argv[2])
names = []
def die(path, write, real=perceptbench.core.files.write_atomically):
    if len(names) == after:
        def write(part, write=write):
            part.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    names.append(path.name)
    real(path, write)
store.write_atomically = die
with store.RunStore(Path(sys.argv[1])).writer(record.run) as writer:
    left = [i for i in record.samples["id"].unique() if i not in set(writer.done["id"])]
    for one in left:
        writer.add(record.samples[record.samples["id"] == one])
    writer.finish(record)
"""


@pytest.mark.parametrize("writes", [0, 1, 3, 4, 5])
def test_a_killed_process_leaves_shards_or_a_finished_run(tmp_path: Path, tiny, writes: int) -> None:
    """Writes 0 to 3 are shards, 4 is samples.parquet, 5 record.json: killed in the middle of each."""
    import pickle

    record = tiny()
    command = [sys.executable, "-c", _KILLED, str(tmp_path), str(writes)]
    done = subprocess.run(command, input=pickle.dumps(record), cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -signal.SIGKILL
    store = RunStore(tmp_path)
    assert store.get(RUN) is None
    with store.writer(RUN) as writer:
        assert len(writer.done) == 2 * min(writes, 4)
        writer.finish(record)
    pd.testing.assert_frame_equal(store.get(RUN).samples, record.samples)
    assert not list((tmp_path / RUN).rglob("*.part"))


def test_a_run_killed_before_its_shards_are_dropped_is_finished(tmp_path: Path, tiny, monkeypatch) -> None:
    monkeypatch.setattr("perceptbench.results.store.shutil.rmtree", lambda *_, **__: None)
    with RunStore(tmp_path).writer(RUN) as writer:
        writer.add(tiny().samples)
        writer.finish(tiny())
    assert RunStore(tmp_path).get(RUN) is not None


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    hold = (
        "import sys, time; from pathlib import Path; from perceptbench.results.store import RunStore\n"
        f"with RunStore(Path(sys.argv[1])).writer('{RUN}'): print('held', flush=True); time.sleep(60)"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", hold, tmp_path], stdout=subprocess.PIPE, cwd=root) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match="another process is working on the run"), RunStore(tmp_path).writer(RUN):
            pass
        os.kill(holder.pid, signal.SIGKILL)
    with RunStore(tmp_path).writer(RUN):
        pass


def test_a_finished_run_is_not_written_again(tmp_path: Path, tiny) -> None:
    _put(RunStore(tmp_path), tiny())
    with pytest.raises(UserError, match="already finished"), RunStore(tmp_path).writer(RUN):
        pass


@pytest.mark.parametrize("run_id", ["../../../etc", "0123456789a", "0123456789AB", "0123456789ab\n", ""])
def test_an_id_cannot_leave_the_folder(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(UserError, match="12 hex digits"):
        RunStore(tmp_path).get(run_id)
    with pytest.raises(UserError, match="12 hex digits"), RunStore(tmp_path).writer(run_id):
        pass
    assert list(tmp_path.iterdir()) == []


def _edit(change):
    return lambda folder: edit_record(folder, change)


def _edit_samples(change):
    return lambda folder: edit_samples(folder, change)


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda f: (f / "record.json").write_text("{"), "record.json is damaged"),
        (lambda f: (f / "record.json").write_bytes(b"\xff\xfe"), "record.json is damaged"),
        (lambda f: (f / "record.json").write_text("[" * 100_000), "record.json is damaged"),
        (lambda f: (f / "record.json").write_text(" " * (16 * 2**20 + 1)), "larger than 16 MiB"),
        (lambda f: (f / "record.json").write_text("[]"), "not a JSON object"),
        (_edit(lambda h: h.update(schema=SCHEMA + 1)), "install a newer one"),
        (_edit(lambda h: h.update(run="f" * 12)), "record of run 'ffffffffffff'"),
        (_edit(lambda h: h.update(status="half")), "status should be 'done' or 'failed', got 'half'"),
        (_edit(lambda h: h.pop("facts")), "facts should be an object, got nothing"),
        (_edit(lambda h: h["spec"].pop("metric")), "spec.metric should be a name, got nothing"),
        (_edit(lambda h: h["spec"].update(eps=["1"])), "spec.eps should be a sorted list of"),
        (
            _edit(lambda h: h["spec"].update(eps=[1.0, 9.0])),
            "eps should be one of spec.eps, which it is not for 'a'",
        ),
        (lambda f: (f / "samples.parquet").unlink(), "samples.parquet is damaged: it is missing"),
        (lambda f: (f / "samples.parquet").write_bytes(b"PAR1"), "samples.parquet is damaged"),
        (_edit_samples(lambda s: s.drop(columns="radius")), "should have the columns"),
        (_edit_samples(lambda s: s.assign(robust=s["robust"].astype(float))), "robust should be bool"),
        (_edit_samples(lambda s: s.assign(radius=float("nan"))), "radius should be a number of at least 0, got nan"),
    ],
)
def test_damage_is_named_in_one_sentence(tmp_path: Path, tiny, harm, sentence: str) -> None:
    store = RunStore(tmp_path)
    _put(store, tiny())
    harm(tmp_path / RUN)
    with pytest.raises(UserError, match=sentence) as caught:
        store.get(RUN)
    assert str(tmp_path / RUN) in str(caught.value)
    _put(store, tiny(run="a" * 12))
    with pytest.warns(LeftOutWarning, match=sentence) as warned:
        assert [record.run for record in store.select()] == ["a" * 12], "one bad run blocks no other"
    assert len(warned) == 1


def test_select_filters_and_sorts_by_time_then_id(tmp_path: Path, tiny) -> None:
    store = RunStore(tmp_path)
    for run, time, metric in (("b", "2026-01-02", "m"), ("a", "2026-01-02", "m"), ("c", "2026-01-01", "other")):
        _put(store, tiny(run=run * 12, time=time, spec={"metric": metric}))
    _put(store, replace(tiny(run="d" * 12, time="2026-01-03"), status="failed"))
    (tmp_path / "notes").mkdir()
    (tmp_path / ("e" * 12)).write_text("a file, not a run")
    assert [record.run[0] for record in store.select()] == ["c", "a", "b"]
    assert [record.run[0] for record in store.select(metric="m")] == ["a", "b"]
    assert [record.run[0] for record in store.select(status="failed")] == ["d"]
    assert [record.run[0] for record in store.select(status=None, data="photos")] == ["c", "a", "b", "d"]
    assert store.select(attack=None) == []
    with pytest.raises(TypeError, match="no field metrics"):
        store.select(metrics="m")


def test_a_folder_that_is_not_there_has_no_runs(tmp_path: Path) -> None:
    assert RunStore(tmp_path / "none").select() == []


def test_samples_without_a_score_are_not_written(tmp_path: Path, tiny) -> None:
    with RunStore(tmp_path).writer(RUN) as writer:
        with pytest.raises(UserError, match="d0 should be a finite number, got nan for 'a' at eps 1"):
            writer.finish(tiny(d0=float("nan")))
        with pytest.raises(ValueError, match="columns"):
            writer.add(tiny().samples.drop(columns="id"))
        with pytest.raises(ValueError, match="does not belong"):
            writer.finish(tiny(run="f" * 12))
    assert RunStore(tmp_path).get(RUN) is None
