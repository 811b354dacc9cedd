"""What tasks declare, how runs of both schemas say their task and threat, and a task that nothing here knows."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_up_task import OWN, pairs_record, registered
from sealing import edit_record, edit_samples

from perceptbench.core.errors import UserError
from perceptbench.results.record import COLUMNS, COMMON, columns_of
from perceptbench.results.rows import rows_of
from perceptbench.results.store import RunStore
from perceptbench.results.tasks.base import installed, scores, scores_of


def test_the_two_tasks_on_triplets_say_what_they_read_and_want() -> None:
    assert {"preference", "drift"} <= set(scores.names())
    preference, drift = scores_of("preference"), scores_of("drift")
    assert (preference.goals, preference.kinds) == (("flip",), ("triplets",))
    assert preference.moves == ("reference", "left", "right", "all")
    assert (drift.goals, drift.kinds, drift.moves) == (("push", "pull"), ("triplets", "images"), ("reference",))
    assert [scores_of(name).name for name in ("preference", "drift")] == ["preference", "drift"]


def test_an_unknown_task_is_named_with_a_hint() -> None:
    with pytest.raises(UserError, match="unknown task 'preferences'; did you mean 'preference'"):
        scores_of("preferences(x=1)")
    assert installed("preference")
    assert not installed("preferences")
    assert not installed("((")


def test_files_of_triplets_keep_the_order_of_schema_1_and_others_have_the_common_columns_first() -> None:
    assert list(columns_of(scores_of("preference").columns)) == list(COLUMNS)
    assert list(columns_of(OWN)) == [*COMMON, *OWN]


def test_listing_tasks_loads_no_data_frames_and_no_torch() -> None:
    program = (
        "import sys; from perceptbench.results.tasks.base import scores; print(scores.names());"
        "assert not {'torch', 'pandas', 'scipy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_schema_1_says_task_and_threat_by_goal_and_norm(tiny) -> None:
    flip, push = (tiny(spec=spec, schema=1) for spec in ({"goal": "flip"}, {"goal": "push", "norm": "linf"}))
    assert (flip.task, flip.threat, flip.norm) == ("preference", "l2", "l2")
    assert (push.task, push.threat, push.norm) == ("drift", "linf", "linf")
    assert flip.eps_unit == "l2 norm over all pixels and channels, images in [0, 1]"
    assert tiny(facts={"unit": "distance"}, schema=1).task == "drift", "the first runs did not say their goal"


def test_a_threat_that_is_no_ball_has_a_unit_and_no_norm(tiny) -> None:
    record = tiny(spec={"threat": "shift(step=2)", "norm": "l2", "eps_unit": "pixels"})
    assert (record.threat, record.norm, record.eps_unit) == ("shift(step=2)", None, "pixels")
    natural, attacked, *_ = rows_of(record)
    assert (natural.threat, natural.norm, natural.eps_unit) == (None, None, None)
    assert (attacked.threat, attacked.norm, attacked.eps_unit) == ("shift(step=2)", None, "pixels")


def test_the_natural_score_of_a_push_is_that_of_preference(tiny) -> None:
    natural, attacked, *_ = rows_of(tiny(spec={"goal": "push"}, facts={"unit": "distance"}))
    assert (natural.task, natural.unit) == ("preference", "percent")
    assert (attacked.task, attacked.unit) == ("drift", "distance")


def test_a_task_from_elsewhere_is_stored_read_and_scored(tmp_path: Path) -> None:
    record = pairs_record()
    with registered():
        store = RunStore(tmp_path)
        with store.writer(record.run, columns_of(OWN)) as writer:
            assert list(writer.done.columns) == [*COMMON, *OWN]
            writer.add(record.samples)
            writer.finish(record)
        back = store.get(record.run)
        pd.testing.assert_frame_equal(back.samples, record.samples)
        rows = rows_of(back)
    found = [(row.kind, row.eps, row.score, row.method) for row in rows]
    assert found == [
        ("natural", None, 75, None),
        ("attack", 1, 75, "grid"), ("certificate", 1, 50, "shifts"),
        ("attack", 2, 50, "grid"), ("certificate", 2, 25, "shifts"),
    ]  # fmt: skip
    assert {(row.task, row.n) for row in rows} == {("made-up(tau=0.3)", 4)}


def test_goal_and_move_are_part_of_a_name_where_they_are_not_the_first_that_the_task_declares() -> None:
    record = pairs_record()
    other = replace(record, spec={**record.spec, "goal": "collide", "move": "second"})
    with registered():
        attacked = rows_of(other)[1]
    assert (attacked.method, attacked.options) == ("grid --goal collide --move second", "--move second")


def test_a_run_of_a_task_that_is_not_here_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    record = pairs_record()
    with RunStore(tmp_path).writer(record.run, columns_of(OWN)) as writer:
        writer.finish(record)
    assert list(RunStore(tmp_path).get(record.run).samples.columns) == list(COMMON)


def test_columns_that_nobody_here_knows_are_passed_over(tmp_path: Path, tiny) -> None:
    record = tiny()
    with RunStore(tmp_path).writer(record.run) as writer:
        writer.finish(record)
    order = ["newer", *reversed(COLUMNS)]
    edit_samples(tmp_path / record.run, lambda samples: samples.assign(newer=1.0)[order])
    pd.testing.assert_frame_equal(RunStore(tmp_path).get(record.run).samples, record.samples)


def test_select_knows_task_and_threat_in_both_schemas(tmp_path: Path, tiny) -> None:
    store = RunStore(tmp_path)
    push = {"goal": "push", "move": "reference"}
    runs = [
        tiny(run="a" * 12, schema=1),
        tiny(run="b" * 12, spec=push, facts={"unit": "distance"}),
        tiny(run="c" * 12, spec={"threat": "tilt", "goal": "flip", "move": "reference"}),
    ]
    for record in runs:
        with store.writer(record.run) as writer:
            writer.finish(record)
    assert [record.run[0] for record in store.select(task="preference")] == ["a", "c"]
    assert [record.run[0] for record in store.select(threat="l2")] == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"task": 1}, "spec.task should be a name, got 1"),
        ({"threat": None}, "spec.threat should be a name, got None"),
        ({"norm": 2}, "spec.norm should be 'l2' or 'linf' or null, got 2"),
    ],
)
def test_a_damaged_task_threat_or_norm_is_named(tmp_path: Path, tiny, change: dict[str, object], sentence: str) -> None:
    with RunStore(tmp_path).writer(tiny().run) as writer:
        writer.finish(tiny())
    edit_record(tmp_path / tiny().run, lambda header: header["spec"].update(change))
    with pytest.raises(UserError, match=sentence):
        RunStore(tmp_path).get(tiny().run)
