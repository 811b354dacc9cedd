"""What every task keeps to: its two halves, asked as a run asks them, and a whole run with a tiny attack."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest
import torch
from torch import Tensor

from perceptbench.attacks.base import Objective, attack
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.threats.base import threat
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.bench.runner import run_plans
from perceptbench.core.errors import UnsoundError, UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.core.threat import MOVES, Move
from perceptbench.metrics.base import Metric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.results.record import COMMON, Record, written_columns
from perceptbench.results.rows import rows_of
from perceptbench.results.store import RunStore
from perceptbench.results.tasks.base import scores, scores_of
from perceptbench.tasks.base import Aim, Clean, Columns, Judged, Source, Task, task
from perceptbench.testing.contract import Contract, built, dense
from perceptbench.testing.said import close, finite
from perceptbench.triplets.base import TripletSource


@dataclass(frozen=True)
class Asked:
    """A task, asked of a metric on all samples of its source."""

    question: Task[Any]
    metric: Metric
    source: Source
    state: Any

    def prepared(self, rows: slice = slice(None), aim: Aim | None = None) -> Any:
        """Some of the samples, prepared for an aim; for the first goal and move of the task where none is given."""
        batch = self.source.batch(self.source.entries[rows])
        first = Aim(self.question.goals[0], cast(Move, self.question.moves[0]))
        return self.question.prepare(self.metric, batch, aim or first, self.state)

    def aims(self) -> Iterator[Aim]:
        """Every goal with every move."""
        yield from (Aim(goal, move) for goal in self.question.goals for move in _moves(self))


class _Strange(TripletSource):
    """Data of a kind that no task reads."""

    kind = "of no kind"  # type: ignore[assignment]


class TaskContract(Contract):
    """Derive from it, name the task as users do, give a few samples, and pytest finds the tests.

    class TestMine(TaskContract):
        task = "mine(tau=3.0)"
        def source(self):
            return some_samples()
    """

    task: str
    """As users type it. It must be registered: import its modules, or install its package."""
    threat: str = "l2"
    """In which set the tiny attack searches."""
    attack: str = "pgd(steps=20)"
    """The tiny attack; one that works in the set of the threat."""
    eps: tuple[float, ...] = (0.5, 4.0)
    """Sizes of changes. At the largest the attack must reach every goal that has an end, for some sample."""

    def source(self) -> Source:
        """Three to eight samples, of small images where that is possible."""
        raise NotImplementedError("give a few samples: def source(self): return some_samples()")

    def metric(self) -> Metric:
        """What is asked. Pixel l2 is fast and can be certified."""
        return PixelL2()

    @pytest.fixture
    def asked(self) -> Asked:
        """The task, asked of the metric."""
        question, metric = task.build(Ref.parse(self.task)), self.metric()
        source: Source = built(self.source, Source)
        return Asked(question, metric, source, question.fit(metric, source, "cpu"))

    def test_declares_what_it_is(self, asked: Asked) -> None:
        question, name = asked.question, Ref.parse(self.task).name
        assert question.name == name, f"name must be the registered one, {name}, got {question.name}"
        for what in ("goals", "kinds", "moves", "columns"):
            assert getattr(question, what), f"{what} must be declared in the scores of the task"
        assert set(question.moves) <= set(MOVES), f"moves must be among {', '.join(MOVES)}, got {question.moves}"
        assert not set(question.columns) & set(COMMON), "columns that every task has need not be declared again"
        made = scores_of(self.task)
        assert isinstance(question, type(made)), "the task must derive from the scores that are registered by its name"
        assert made.columns == question.columns, "both halves of the task must have the same columns"

    def test_the_half_that_scores_needs_no_torch(self) -> None:
        made = cast(type, scores.factory(Ref.parse(self.task).name))
        program = (
            f"import sys; import {made.__module__}; "
            "print(*sorted({'torch', 'pandas', 'scipy'} & set(sys.modules)), file=sys.stderr)"
        )
        env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
        said = done.stderr.strip()
        assert not said, f"import torch, pandas and scipy inside functions of {made.__module__}, got {said}"

    def test_takes_the_data_it_declares_and_refuses_others(self, asked: Asked) -> None:
        assert asked.source.kind in asked.question.kinds, f"kinds must have {asked.source.kind}, the kind of the data"
        asked.question.admit(asked.source)
        with pytest.raises(UserError):
            asked.question.admit(_Strange("made up", (), 0, "made up"))

    def test_samples_are_named_once_and_come_in_order(self, asked: Asked) -> None:
        ids = [entry.id for entry in asked.source.entries]
        assert len(ids) > 2, f"source() must give three samples or more, got {len(ids)}"
        assert len(set(ids)) == len(ids), "ids must be unique"
        assert list(asked.source.batch(asked.source.entries).ids) == ids, "a batch must keep the order it is asked for"

    def test_what_is_fitted_is_plain_and_the_same_every_time(self, asked: Asked) -> None:
        state = dict(asked.state)
        assert json.loads(json.dumps(state)) == state, "fit must give numbers and words, which JSON keeps as they are"
        again = asked.question.fit(asked.metric, asked.source, "cpu")
        assert dict(again) == state, "fit must give the same on the same data; seed what it draws"

    def test_gives_what_a_run_reads(self, asked: Asked) -> None:
        question, n = asked.question, len(asked.source)
        prepared, every = asked.prepared(), torch.arange(n)
        x = question.moving(prepared)
        assert isinstance(x, Tensor), f"moving must give images (n, 3, h, w), got {type(x).__name__}"
        dense(x, torch.empty(n, *x.shape[1:]), "what moving gives")
        kept, clean = x.clone(), question.clean(prepared)
        assert isinstance(clean, Clean), f"clean must give a Clean, got {type(clean).__name__}"
        for judged, what in ((clean.judged, "the clean judgement"), (question.judge(prepared, x, every), "judge")):
            assert isinstance(judged, Judged), f"{what} must give a Judged, got {type(judged).__name__}"
            dense(judged.reached, torch.zeros(n, dtype=torch.bool), f"reached of {what}")
        goal = question.objective(prepared)
        assert isinstance(goal, Objective), f"objective must give an Objective, got {type(goal).__name__}"
        loss = goal.value(x)
        dense(loss, torch.empty(n, dtype=loss.dtype) if isinstance(loss, Tensor) else x, "the loss of the objective")
        finite(loss, "the loss of clean images must be finite")
        assert torch.equal(question.moving(prepared), kept), "a task must not write into its images; clone them first"

    def test_the_same_samples_get_the_same_answers_after_others(self, asked: Asked) -> None:
        first = asked.question.clean(asked.prepared())
        asked.question.clean(asked.prepared(slice(1, None)))
        again = asked.question.clean(asked.prepared())
        wrong = "the same samples must get the same answers after others; keep no state between calls"
        _same_rows(again.judged, first.judged, torch.arange(len(asked.source)), wrong)
        _same_columns(again.columns, first.columns, torch.arange(len(asked.source)), wrong)

    def test_columns_are_those_declared(self, asked: Asked) -> None:
        clean = asked.question.clean(asked.prepared())
        found = {**clean.columns, **clean.judged.columns}
        declared = asked.question.columns
        assert set(found) == set(declared), f"clean must give the columns {sorted(declared)}, got {sorted(found)}"
        n = len(asked.source)
        lengths = {name: len(values) for name, values in found.items()}
        assert set(lengths.values()) == {n}, f"every column must have {n} rows, got {lengths}"
        plain = {name: values.cpu().numpy() if isinstance(values, Tensor) else values for name, values in found.items()}
        frame = pd.DataFrame(plain)
        for name, dtype in declared.items():
            try:
                frame.astype({name: dtype})
            except (TypeError, ValueError) as error:
                pytest.fail(f"the column {name} must be of dtype {dtype}: {error}")

    def test_the_clean_judgement_is_that_of_unchanged_images(self, asked: Asked) -> None:
        n = len(asked.source)
        for aim in asked.aims():
            prepared = asked.prepared(aim=aim)
            clean, x = asked.question.clean(prepared).judged, asked.question.moving(prepared)
            for index in (torch.arange(n), torch.tensor([n - 1, 0])):
                judged = asked.question.judge(prepared, x[index].clone(), index)
                _same_rows(judged, clean, index, f"judge must answer for unchanged images as clean does, {_typed(aim)}")

    def test_a_sample_does_not_notice_its_batch(self, asked: Asked) -> None:
        whole = asked.question.clean(asked.prepared())
        for i in range(len(asked.source)):
            alone, row = asked.question.clean(asked.prepared(slice(i, i + 1))), torch.tensor([i])
            wrong = "the answer to a sample must not depend on its batch"
            _same_rows(alone.judged, whole.judged, row, wrong)
            _same_columns(alone.columns, whole.columns, row, wrong)

    def test_the_evidence_holds_the_clean_images_and_the_changed_ones(self, asked: Asked) -> None:
        for aim in asked.aims():
            prepared = asked.prepared(aim=aim)
            changed = 1 - asked.question.moving(prepared)
            kept = asked.question.images(prepared, changed)
            names = [name for name in kept if name.startswith("adversarial")]
            assert names, f"images must name the changed ones `adversarial...`, got {sorted(kept)}"
            assert len(kept) > len(names), "images must also have the clean images"
            assert {len(x) for x in kept.values()} == {len(asked.source)}, "images must have one row a sample"

    def test_the_goal_is_reached_where_the_judge_says_so(self, asked: Asked) -> None:
        question, every = asked.question, torch.arange(len(asked.source))
        within, made = threat.build(Ref.parse(self.threat)), attack.build(Ref.parse(self.attack))
        for aim in (aim for aim in asked.aims() if aim.move in within.moves):
            where, prepared = _typed(aim), asked.prepared(aim=aim)
            clean, x = question.clean(prepared).judged.reached, question.moving(prepared)
            objective = question.objective(prepared)
            before = objective.value(x)
            finite(before, f"the loss of unchanged images must be finite, {where}")
            assert objective.endless == question.endless, f"endless must say the same of task and goal, {where}"
            skip = (clean & (not question.endless))[None].expand(len(self.eps), -1)
            noise = Noise.make(0, asked.source.batch(asked.source.entries).ids)
            for outcome in run_attack(made, "tiny", objective, x, self.eps, skip, noise, within):
                judged = question.judge(prepared, outcome.adversarial, every)
                after = objective.value(outcome.adversarial)
                assert question.endless or torch.equal(objective.reached(after), judged.reached), (
                    f"the objective must call reached what the judge calls reached, {where}"
                )
            if question.endless:
                assert not objective.reached(after).any(), f"a goal without end is never reached, {where}"
                assert (after > before).all(), f"the attack must raise the loss of every sample, {where}"
            else:
                assert (judged.reached & ~clean).any(), (
                    f"at eps {self.eps[-1]} the attack must reach its goal for some sample, {where}; "
                    "give a larger eps, or mend the sign of the loss"
                )

    def test_a_whole_run_gives_columns_and_rows(self, asked: Asked, tmp_path: Path) -> None:
        record = self._run(asked, tmp_path, self.attack, self.threat, self.eps)
        columns = written_columns(asked.question.columns)
        assert list(record.samples.columns) == list(columns), "samples.parquet must have the columns that are declared"
        assert len(record.samples) == len(self.eps) * len(asked.source), "there must be one row a sample and eps"
        rows = rows_of(record)
        assert rows, "rows must give at least the natural row"
        assert rows[0].kind == "natural", f"the first row must be the natural one, got {rows[0].kind}"
        attacked = [row for row in rows if row.kind == "attack"]
        assert [row.eps for row in attacked] == sorted(self.eps), "there must be one attack row an eps, in order"
        for row in rows:
            assert row.low <= row.score <= row.high, f"a score must lie in its interval, got {row}"
            assert row.n > 0, f"a row must say of how many samples it is, got {row}"

    @pytest.mark.parametrize("norm", ["l2", "linf"])
    def test_no_attack_reaches_its_goal_inside_a_radius(self, asked: Asked, tmp_path: Path, norm: str) -> None:
        if not asked.question.provable:
            pytest.skip("states no certificate; see provable")
        side = asked.question.moving(asked.prepared())[0].numel() ** 0.5
        eps = (self.eps[-1] / (side if norm == "linf" else 1),)
        try:
            record = self._run(asked, tmp_path, f"{norm}-fab(steps=30)", norm, eps)
        except UnsoundError as error:
            pytest.fail(f"prove must give no radius beyond the nearest change that reaches the goal: {error}")
        radii = record.samples["radius"]
        assert (radii >= 0).all(), "radii must be 0 where nothing is proved, and never negative"
        assert (radii > 0).any(), "some sample must have a radius; see provable and prove"
        assert [row.kind for row in rows_of(record)].count("certificate") == 1, "rows must have the certificates too"

    def _run(self, asked: Asked, runs: Path, attack: str, threat: str, eps: tuple[float, ...]) -> Record:
        """One run from beginning to end, in a folder of its own."""
        request = Request(
            metrics=[Held("metric", asked.metric)], data=[Held("samples", asked.source)], task=self.task,
            threat=threat, attacks=[attack], eps=eps, skip_certified=False,
        )  # fmt: skip
        (record,) = run_plans(make_plans(request), RunStore(runs), 2)
        return record


def _typed(aim: Aim) -> str:
    return f"--goal {aim.goal}, --move {aim.move}"


def _moves(asked: Asked) -> tuple[Move, ...]:
    return cast(tuple[Move, ...], asked.question.moves)


def _same_rows(judged: Judged, whole: Judged, index: Tensor, sentence: str) -> None:
    assert torch.equal(judged.reached, whole.reached[index]), f"{sentence}: reached differs"
    _same_columns(judged.columns, whole.columns, index, sentence)


def _same_columns(found: Columns, whole: Columns, index: Tensor, sentence: str) -> None:
    assert set(found) == set(whole), f"{sentence}: expected the columns {sorted(whole)}, got {sorted(found)}"
    for name, values in found.items():
        expected = whole[name]
        if isinstance(values, Tensor) and isinstance(expected, Tensor):
            close(values.double(), expected[index].double(), f"{sentence}: {name} differs", rtol=1e-4, atol=1e-5)
        else:
            assert list(values) == [expected[i] for i in index.tolist()], f"{sentence}: {name} differs"
