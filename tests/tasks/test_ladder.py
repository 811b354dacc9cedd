"""The benign ladder against answers that follow from the edits alone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import perceptbench as pb
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.bench.runner import run_plans
from perceptbench.core.errors import UserError
from perceptbench.metrics.base import EmbeddingMetric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.reports.tables.ladder_scores import turned
from perceptbench.results.memory_store import MemoryStore
from perceptbench.results.rows import rows_of
from perceptbench.results.statistics.estimates import score
from perceptbench.tasks.base import Aim
from perceptbench.tasks.ladder import RUNGS, Ladder
from perceptbench.testing.samples import random_images, source_of
from perceptbench.triplets.base import Triplets
from perceptbench.triplets.constructed.named_draws import NamedDraws
from perceptbench.triplets.edits.base import chosen, edit, edited

N = 12


class Brightness(EmbeddingMetric):
    """Mean tone alone: blind to whatever moves pixels."""

    def embed(self, x: Tensor) -> Tensor:
        return x.flatten(1).mean(1, keepdim=True)

    def compare(self, a: Tensor, b: Tensor) -> Tensor:
        return (a - b).abs()[:, 0]


def flat(references: list[str] | None = None):
    """Grey 128 between 128 on the left, the right answer, and 100 on the right."""
    x = torch.full((N, 3, 16, 16), 128 / 255)
    label = torch.zeros(N)
    batch = Triplets(x, x.clone(), torch.full_like(x, 100 / 255), label, label, tuple(f"t{i}" for i in range(N)))
    source = source_of(batch)
    if references:
        entries = (replace(e, reference=name) for e, name in zip(source.entries, references, strict=True))
        source = replace(source, entries=tuple(entries))
    return source


def climbed(source, rungs: str, metric=None, **more: object):
    plans = make_plans(Request(
        metrics=[Held("metric", metric or Brightness())], data=[Held("mine", source)], eps=(1.0,), certifiers=(),
        task=f'ladder(rungs="{rungs}")', device="cpu", **more,
    ))  # fmt: skip
    return run_plans(plans, MemoryStore(), 8)[0]


def scores(record) -> dict[str, float]:
    assert {row.kind for row in rows_of(record)} == {"natural"}
    return {row.measure: row.score for row in rows_of(record)}


def test_scores_follow_from_the_edits() -> None:
    """Gamma 2 gives 64 or 181, by a draw: nearer to 100, or to 128. What only moves pixels changes no flat image."""
    record = climbed(flat(), "gamma:1.05,2 shift-px:1,4 rotate:5")
    ways = [NamedDraws(f"ladder t{i} gamma").pick("way", (-1, 1)) for i in range(N)]
    kept = sum(round(255 * (128 / 255) ** (2.0**way)) > 114 for way in ways)
    assert 0 < kept < N
    found = scores(record)
    assert list(found) == ["unedited", "gamma 1.05", "gamma 2", "shift-px 1", "shift-px 4", "rotate 5"]
    assert found["unedited"] == found["gamma 1.05"] == found["shift-px 1"] == found["shift-px 4"] == 100
    assert found["gamma 2"] == pytest.approx(100 * kept / N)
    # Black corners darken the mean below 114.
    corners = edited(np.full((16, 16, 3), 128, np.uint8), "rotate", 5.0, NamedDraws("ladder t0 rotate")).mean()
    assert (found["rotate 5"] == 100) == (corners > 114)


def test_the_reference_alone_is_edited_by_the_edit_of_copies() -> None:
    images = random_images(N, 16, seed=3)
    x = (images * 255).round() / 255
    label = torch.zeros(N)
    source = source_of(Triplets(x, x.flip(0), x.roll(1, 0), label, label, tuple(f"t{i}" for i in range(N))))
    rungs = Ladder("jpeg:50 shift-px:2 noise:10").answered(source)
    assert len(rungs.entries) == 4 * N
    for entry in rungs.entries:
        name, how, strength = (*entry.id.split(), "")[:3]
        i = int(name[1:])
        reference, left, right = entry.load()
        assert torch.equal(left, x.flip(0)[i])
        assert torch.equal(right, x.roll(1, 0)[i])
        pixels = (x[i].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        if how != "unedited":
            pixels = edited(pixels, how, float(strength), NamedDraws(f"ladder {name} {how}"))
        assert torch.equal(reference, torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255)


def test_sides_are_seen_once_and_distances_are_those_of_single_triplets() -> None:
    seen: list[int] = []

    class Watched(PixelL2):
        def embed(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().embed(x)

    x = (random_images(3, 16, seed=3) * 255).round() / 255
    label = torch.zeros(3)
    source = source_of(Triplets(x, x.flip(0), x.roll(1, 0), label, label, ("t0", "t1", "t2")))
    task = Ladder("jpeg:50 shift-px:2 noise:10")
    entries = task.answered(source).entries
    assert [entry.id for entry in entries[:4]] == ["t0 unedited", "t0 jpeg 50", "t0 shift-px 2", "t0 noise 10"]
    batch = source.batch(entries[:10])
    answers = task.prepare(Watched(), batch, Aim("none"), {}).answers().columns
    assert sum(seen) == 10 + 3 + 3
    torch.testing.assert_close(answers["d0"], PixelL2()(batch.reference, batch.left))
    torch.testing.assert_close(answers["d1"], PixelL2()(batch.reference, batch.right))


def test_a_direction_is_drawn_once_for_all_strengths() -> None:
    x = (random_images(1, 16, seed=1) * 255).round() / 255
    one = torch.zeros(1)
    found = Ladder("shift-px:1,2,4").answered(source_of(Triplets(x, x, x, one, one, ("t0",))))
    images = [entry.load()[0] for entry in found.entries]
    inner = slice(6, 10)
    moved = [
        next((dy, dx) for dy in (-k, k) for dx in (-k, k)
             if torch.equal(image[:, inner, inner], images[0][:, 6 - dy : 10 - dy, 6 - dx : 10 - dx]))
        for k, image in zip((1, 2, 4), images[1:], strict=True)
    ]  # fmt: skip
    assert [(dy * 4 // k, dx * 4 // k) for k, (dy, dx) in zip((1, 2, 4), moved, strict=True)] == [moved[2]] * 3


def test_intervals_are_over_references() -> None:
    names = [f"photo {i // 4}" for i in range(N)]
    record = climbed(flat(names), "gamma:2")
    row = next(row for row in rows_of(record) if row.measure == "gamma 2")
    samples = record.samples[record.samples["group"] == "gamma 2"]
    wanted = score(samples["correct"].to_numpy(float), names)
    assert (row.low, row.high, row.n) == (100 * wanted.low, 100 * wanted.high, N)
    alone = score(samples["correct"].to_numpy(float), list(samples["id"]))
    assert (row.low, row.high) != (100 * alone.low, 100 * alone.high)


def test_answers_that_turned_are_counted_beside_the_unedited_ones() -> None:
    """All answers are right before, so what turned is what was lost."""
    record = climbed(flat([f"photo {i // 2}" for i in range(N)]), "gamma:1.05,2")
    found, lost = turned(record), scores(record)
    assert list(found) == ["gamma 1.05", "gamma 2"]
    assert found["gamma 1.05"].value == 0
    assert found["gamma 2"].value == pytest.approx(100 - lost["gamma 2"])
    assert found["gamma 2"].n == N
    wrong = record.samples.assign(correct=False, label=1)
    assert turned(replace(record, samples=wrong))["gamma 2"].value == found["gamma 2"].value


def test_the_rungs_of_the_issue_are_climbed_where_nobody_names_others() -> None:
    names = {one.name for one in chosen(RUNGS)}
    assert names == {"jpeg", "resize", "crop", "shift-px", "rotate", "gamma", "noise"}
    ends = {name: [one.strength for one in chosen(RUNGS) if one.name == name] for name in names}
    assert (ends["jpeg"][0], ends["jpeg"][-1]) == (95, 20)
    assert (ends["shift-px"][0], ends["shift-px"][-1]) == (1, 8)
    assert (ends["rotate"][0], ends["rotate"][-1]) == (1, 10)
    assert len(Ladder().answered(flat()).entries) == N * (1 + len(chosen(RUNGS)))


def test_copies_meet_the_edits_that_they_met_before() -> None:
    every = {one.name for one in chosen([])}
    assert every == set(edit.names()) - {"shift-px"}
    assert {one.name for one in chosen(["shift-px"])} == {"shift-px"}


def test_runs_are_kept_verified_and_answered_from(tmp_path) -> None:
    asked = {"edit": ["jpeg:80,20"], "limit": 3, "runs": tmp_path / "runs", "device": "cpu", "progress": False}
    first = pb.ladder("l2", "photos", **asked)
    again = pb.ladder("l2", "photos", **asked)
    assert [one.run for one in again] == [one.run for one in first]
    assert [one.provenance["time"] for one in again] == [one.provenance["time"] for one in first]
    frame = first.frame()
    assert frame["measure"].tolist() == ["unedited", "jpeg 80", "jpeg 20"]
    assert frame["n"].tolist() == [3, 3, 3]
    assert frame["eps"].isna().all()
    loaded = pb.load(tmp_path / "runs")
    pd.testing.assert_frame_equal(loaded.frame(), frame)


def test_the_report_has_one_table_and_one_figure(tmp_path) -> None:
    found = pb.ladder(["l2", "psnr"], "photos", edit=["jpeg:80,20", "noise:20"], limit=4, device="cpu", progress=False)
    written = pb.report(found, tmp_path / "report", ["md", "html", "csv"])
    assert {"ladder_curves_photos.png", "ladder_curves_photos.pdf"} <= {path.name for path in written}
    text = (tmp_path / "report" / "report.md").read_text()
    table = text[text.index("Natural 2AFC score after benign edits") :]
    for rung in ("unedited", "jpeg 80", "jpeg 20", "noise 20"):
        assert f"| {rung} " in table
    assert "eps is the size" not in text
    assert "2AFC score on photos" not in text, "a ladder is no evaluation under attack"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"attacks": ["l2-pgd"], "task": "ladder"}, "--task ladder is answered and never attacked"),
        ({"attacks": ["l2-pgd"], "goal": "none"}, "--task ladder is answered and never attacked"),
        ({"task": 'ladder(rungs="jpeg:200")'}, "--edit jpeg wants strengths from 1 to 95"),
        ({"task": "ladder(rungs=jpg)"}, "unknown edit 'jpg'"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        make_plans(Request(metrics=[Held("metric", PixelL2())], data=[Held("mine", flat())], eps=(1.0,), **asked))
    assert sentence in str(caught.value)


@pytest.mark.parametrize("name", ["attack", "eps", "through"])
def test_the_ladder_has_no_options_of_attacks(name: str) -> None:
    with pytest.raises(UserError, match=f"attacks nothing, so it has no option {name}"):
        pb.ladder("l2", **{name: "1"})


def test_other_data_than_triplets_from_files_are_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="--task ladder reads triplets, and copies has pairs"):
        pb.ladder("l2", "copies", limit=4, progress=False)
