"""Each flag on a metric that must raise it and on one that must not, from a run, a stopped run and `bench doctor`."""

import json
import re
import warnings
from pathlib import Path

import pytest

import perceptbench as pb
from perceptbench.bench.flags.base import all_flags
from perceptbench.bench.flags.search_counts import KeptCounts, SearchCounts
from perceptbench.core.errors import Notice, UserError
from perceptbench.results.store import RunStore

pytestmark = pytest.mark.filterwarnings("ignore::perceptbench.core.errors.Notice")
"""What these metrics are told on standard error is tested once, below."""

METRICS = '''
import numpy as np
import torch

from perceptbench.metrics.classical.ssim import SSIM


class Plain:
    """Mean squared difference: smooth, with a gradient."""
    symmetric = True

    def __call__(self, x, y):
        return (x - y).square().mean((1, 2, 3))


class Small(Plain):
    def __call__(self, x, y):
        return 1e-10 * super().__call__(x, y)


class Rounded(Plain):
    def __call__(self, x, y):
        return torch.round(1e6 * super().__call__(x, y)) / 1e6


class StraightThrough(Plain):
    def __call__(self, x, y):
        d = super().__call__(x, y)
        return d + (torch.round(100 * d) / 100 - d).detach()


class Similarity(Plain):
    def __call__(self, x, y):
        return 1 - super().__call__(x, y)


class Ssim(Plain):
    def __call__(self, x, y):
        return 1 - SSIM()(x, y)


class Random(Plain):
    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, x, y):
        d = super().__call__(x, y)
        return d * (1 + 0.1 * torch.rand(d.shape, generator=self.generator))


class Drawn(Random):
    stochastic = True


class Batched(Plain):
    def __call__(self, x, y):
        d = super().__call__(x, y)
        return d / d.mean()


class Saturated(Plain):
    def __call__(self, x, y):
        return (1e9 * super().__call__(x, y)).clamp(max=1)


class Lopsided(Plain):
    def __call__(self, x, y):
        return (x * (x - y)).square().mean((1, 2, 3))


class Detached(Plain):
    def __call__(self, x, y):
        return super().__call__(x.detach(), y.detach())


class Numpy(Plain):
    def __call__(self, x, y):
        return torch.from_numpy(np.square(x.detach().numpy() - y.detach().numpy()).mean((1, 2, 3)))


class SaysSo(Numpy):
    differentiable = False


class Broken(Plain):
    def __call__(self, x, y):
        return super().__call__(x, y) / 0


class Shapeless(Plain):
    def __call__(self, x, y):
        return super().__call__(x, y).mean()
'''


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("mine") / "mine.py"
    file.write_text(METRICS)
    return file


def ran(bench, data, runs, metric, attack, eps="2", *more):  # type: ignore[no-untyped-def]
    rows = bench.json(
        "run", "--metric", metric, "--attack", attack, "--eps", eps, "--data", data, "--runs", runs, *more
    )
    return [row for row in rows if row["kind"] == "attack"]


def names(row) -> set[str]:  # type: ignore[no-untyped-def]
    return {one["flag"] for one in row["flags"]}


MASKED = {"zero-gradient", "no-ascent", "finite-difference"}


def test_a_metric_that_hides_its_gradient_is_marked_in_every_gradient_row(bench, data, mine, tmp_path) -> None:
    attacks = "l2-pgd(steps=4),l2-apgd-ce(steps=4),l2-fmn(steps=4)"
    for name, expected in (("Rounded", MASKED), ("Plain", set()), ("Small", set())):
        rows = ran(bench, data, tmp_path, f"py:{mine}:{name}", attacks, "2", "--limit", "5")
        assert [names(row) for row in rows] == [expected] * 3
    shown = bench("run", "--metric", f"py:{mine}:Rounded", "--attack", attacks, "--eps", 2, "--data", data,
                  "--runs", tmp_path, "--limit", 5)  # fmt: skip
    assert shown.count("]†") == 3
    assert re.search(
        r"† .*l2-pgd\(steps=4\): the gradient is not .*; on 100 % .*; 100 % of the gradients are zero",
        " ".join(shown.split()),
    )


def test_what_is_measured_does_not_depend_on_the_unit_of_the_distance(bench, data, mine, tmp_path) -> None:
    for name in ("Plain", "Small"):
        ran(bench, data, tmp_path / name, f"py:{mine}:{name}", "l2-pgd(steps=4)", "0.3")
    one, other = (RunStore(tmp_path / name).select()[0].facts["flags_measured"] for name in ("Plain", "Small"))
    assert one == pytest.approx(other, abs=1e-3)
    assert set(one) == {flag.name for flag in all_flags()} - {"query-beats-gradient"}


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("StraightThrough", "finite-difference"), ("Similarity", "direction"), ("Random", "random-output"),
        ("Batched", "batch"), ("Saturated", "range"),
    ],
)  # fmt: skip
def test_each_fault_raises_its_flag_and_marks_the_natural_score_too(bench, data, mine, tmp_path, name, flag) -> None:
    rows = bench.json("run", "--metric", f"py:{mine}:{name}", "--attack", "l2-pgd(steps=1)", "--eps", 1,
                      "--data", data, "--runs", tmp_path)  # fmt: skip
    marked = {row["kind"]: names(row) for row in rows}
    assert flag in marked["attack"]
    assert (flag in marked["natural"]) == (flag != "finite-difference")
    one = next(one for one in rows[-1]["flags"] if one["flag"] == flag)
    assert one["sentence"]
    assert one["measured"] < one["threshold"] if flag == "direction" else one["measured"] > one["threshold"]


def test_an_attack_that_looks_at_no_gradient_is_not_marked_for_it(bench, data, mine, tmp_path) -> None:
    (row,) = ran(bench, data, tmp_path, f"py:{mine}:Rounded", "l2-square(queries=3)", "1")
    assert names(row) == set()


def test_a_metric_that_says_it_draws_is_not_marked_for_it(bench, data, mine, tmp_path) -> None:
    (row,) = ran(bench, data, tmp_path, f"py:{mine}:Drawn", "l2-square(queries=3)", "1")
    assert names(row) <= {"query-beats-gradient"}


def test_flips_that_only_queries_found_are_counted(bench, data, mine, tmp_path) -> None:
    aa = "l2-aa(starts=1,steps=2,fmn_steps=2,fab_steps=2,queries=40)"
    for name, expected in (("Rounded", True), ("Plain", False)):
        (row,) = ran(bench, data, tmp_path, f"py:{mine}:{name}", aa, "40")
        assert ("query-beats-gradient" in names(row)) == expected


def test_a_stopped_run_has_the_flags_of_a_whole_one(bench, data, mine, tmp_path, monkeypatch) -> None:
    from perceptbench.bench.engines import local

    words = (bench, data, tmp_path / "stopped", f"py:{mine}:Rounded", "l2-pgd(steps=3)", "2", "--batch-size", "2")
    evaluate, left = local.evaluate, [2]

    def stops(*arguments):  # type: ignore[no-untyped-def]
        if not left[0]:
            raise RuntimeError
        left[0] -= 1
        return evaluate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(local, "evaluate", stops)
        with pytest.raises(UserError, match="RuntimeError"):
            ran(*words)
    (folder,) = (tmp_path / "stopped").iterdir()
    assert len(KeptCounts(folder).found) == 4
    (stopped,) = ran(*words)
    (whole,) = ran(bench, data, tmp_path / "whole", *words[3:])
    assert stopped["flags"] == whole["flags"]
    assert not (folder / "search").exists()


def test_damaged_counts_are_passed_over(tmp_path) -> None:
    KeptCounts(tmp_path).add({"a": SearchCounts(3, 1, 1, 0)})
    (tmp_path / "search" / "000001.json").write_text('{"b": {"gradients"')
    KeptCounts(tmp_path).add({"c": SearchCounts(1, 0, 1, 1)})
    found = KeptCounts(tmp_path).found
    assert set(found) == {"a", "c"}
    assert SearchCounts.sum(list(found.values())) == SearchCounts(4, 1, 2, 1)


def test_what_is_wrong_with_a_metric_of_yours_is_said_once(data, mine, monkeypatch) -> None:
    monkeypatch.setattr("perceptbench.bench.flags.of_run._SAID", set())
    attacks = ["l2-square(queries=2)", "linf-square(queries=2)"]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default", Notice)
        found = pb.run(f"py:{mine}:Batched", attacks, 0.1, data, limit=5, progress=False)
    assert [str(one.message).count("(flag batch)") for one in said] == [1]
    frame = found.frame()
    assert all("batch" in names(row) for row in frame[frame["kind"] == "attack"].to_dict("records"))


@pytest.mark.parametrize("name", ["SaysSo", "Detached", "Numpy"])
def test_a_metric_without_a_gradient_meets_the_parts_that_need_none(bench, data, mine, tmp_path, name) -> None:
    aa = "l2-aa(queries=40)"
    (row,) = ran(bench, data, tmp_path, f"py:{mine}:{name}", aa, "40")
    assert row["parts"].startswith("square: starts 1")
    assert row["parts"].endswith("without apgd-ce, fmn, fab, which need the gradient that this metric does not have")
    assert row["score"] < 100
    assert names(row) == (set() if name == "SaysSo" else {"no-gradient"})
    (record,) = RunStore(tmp_path).select()
    assert set(record.samples["broken_by"]) == {"", "square"}
    assert record.facts["backwards"] == 0
    sentence = bench.refusal("run", "--metric", f"py:{mine}:{name}", "--attack", "l2-fmn", "--eps", "1", "--data", data,
                             "--runs", tmp_path)  # fmt: skip
    assert sentence == "the metric has no gradient, which l2-fmn asks for; use l2-square"


@pytest.mark.parametrize(("name", "words"), [("Broken", "not finite"), ("Shapeless", r"expected a tensor \(2,\)")])
def test_what_makes_every_number_meaningless_is_refused_while_planning(mine, name, words) -> None:
    from perceptbench.bench.planner import make_plans
    from perceptbench.bench.request import Request

    with pytest.raises(UserError, match=words):
        make_plans(Request(metrics=[f"py:{mine}:{name}"], attacks=["l2-square"], eps=(1.0,)))


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("Plain", ""), ("Rounded", "zero-gradient: 100 % of the gradients are zero"),
        ("Ssim", "direction: images that are more alike get the larger number, so a similarity"),
        ("Saturated", "range: 100 % of the samples"), ("Lopsided", "symmetry: d(x, y) and d(y, x) differ"),
        ("Random", "random-output: two equal calls differ"), ("Batched", "batch: the distance of a pair depends"),
        ("Detached", "no-gradient: the distances carry no gradient"), ("Broken", "answers: the metric gave a distance"),
        ("StraightThrough", "finite-difference: the gradient is not the slope"),
    ],
)  # fmt: skip
def test_the_doctor_names_the_cause(mine, name, cause) -> None:
    found = pb.doctor(f"py:{mine}:{name}")
    assert found.cause.startswith(cause)
    assert found.ok == (not cause)


def test_the_command_prints_every_check_and_its_status_says_whether_all_is_well(bench, mine) -> None:
    shown = bench("doctor", "--metric", f"py:{mine}:Plain")
    checks = ("range", "direction", "symmetry", "batch", "random-output", "zero-gradient", "finite-difference", "speed")
    assert all(name in shown for name in checks)
    assert "nothing wrong was found." in shown
    answer = json.loads(bench("doctor", "--metric", "l2", "--json"))
    assert (answer["schema"], answer["ok"], answer["cause"]) == (1, True, "")
    with pytest.raises(AssertionError) as failed:
        bench("doctor", "--metric", f"py:{mine}:Rounded")
    assert "zero-gradient: 100 % of the gradients are zero" in " ".join(str(failed.value).split())


def test_the_page_of_flags_says_every_threshold() -> None:
    page = (Path(__file__).parents[3] / "docs" / "flags.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (?:above|below) ([0-9.]+) \|", page, re.MULTILINE))
    assert told == {one.name: f"{one.threshold:g}" for one in all_flags()}
    for one in all_flags():
        (section,) = re.findall(rf"^## `{one.name}`\n(.+?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        assert all(f"*{word}*" in section for word in ("Seen", "Why it matters", "What to do"))
