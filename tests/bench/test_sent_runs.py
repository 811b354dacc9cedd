"""`--through` in whole runs: what is judged, what is measured, what is proved, and what a run is known by."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Request
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.results.record import written_columns
from perceptbench.results.saved_images import saved
from perceptbench.results.store import RunStore
from perceptbench.results.tasks.base import scores_of

FAST = "l2-pgd(steps=8)"


def run(bench, data, runs, *words, metric="l2", attack=FAST, eps="2,30"):
    return bench.json("run", "--metric", metric, "--attack", attack, "--eps", eps, "--data", data, "--runs", runs,
                      *words)  # fmt: skip


def coded(x, quality):
    """What Pillow makes of an image (3, h, w)."""
    stream = io.BytesIO()
    Image.fromarray((x.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)).save(
        stream, "JPEG", quality=quality, subsampling="4:2:0"
    )
    pixels = np.array(Image.open(io.BytesIO(stream.getvalue())).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def planned(data, **more):
    (plan,) = make_plans(Request(metrics=["l2"], data=[data], attacks=[FAST], eps=(2.0, 30.0), device="cpu", **more))
    return plan


def samples_of(runs):
    (path,) = runs.glob("*/samples.parquet")
    return pd.read_parquet(path)


def test_clean_and_attacked_are_judged_as_they_arrive_and_what_stays_is_as_it_is(bench, data, tmp_path):
    runs = tmp_path / "runs"
    rows = run(bench, data, runs, "--through", "jpeg(q=30)", "--save-images", "8", "--no-skip-certified")
    samples = samples_of(runs)
    plan, metric = planned(data), PixelL2()
    batch = plan.source.batch(plan.source.entries)
    arrived = torch.stack([coded(x, 30) for x in batch.reference])
    clean = samples[samples["eps"] == 2].set_index("id").loc[list(batch.ids)]
    for column, side in (("d0", batch.left), ("d1", batch.right)):
        np.testing.assert_allclose(clean[column], metric(arrived, side), rtol=1e-5)
    assert not np.allclose(clean["d0"], metric(batch.reference, batch.left), rtol=1e-3)
    (record,) = RunStore(runs).select()
    kept = {one.id: one for one in saved(runs, record.run)}
    assert set(kept) == set(batch.ids)
    for name, image in zip(batch.ids, arrived, strict=True):
        np.testing.assert_array_equal(kept[name].reference, image)
        levels = kept[name].adversarial * 255
        np.testing.assert_allclose(levels, levels.round(), atol=1e-4)
    assert (samples["size"] <= samples["eps"]).all()
    # An image that no attack changed is at no distance from itself as it arrived.
    assert (samples["d_self"][samples["size"] == 0] == 0).all()
    assert {row["options"] for row in rows} == {"--through jpeg(q=30)"}


def test_no_certificate_stands_beside_what_arrives(bench, data, tmp_path):
    rows = run(bench, data, tmp_path, "--through", "resize(0.5),jpeg(60)")
    assert {row["kind"] for row in rows} == {"natural", "attack"}
    assert samples_of(tmp_path)["radius"].eq(0).all()
    said = "no certificate covers --through resize(share=0.5),jpeg(q=60); leave --certifier tsuzuku out"
    assert said in bench.refusal("run", "--metric", "l2", "--attack", FAST, "--eps", "1", "--data", data, "--runs",
                                 tmp_path, "--through", "resize(0.5)", "--through", "jpeg(60)", "--certifier",
                                 "tsuzuku")  # fmt: skip


def test_eight_bit_alone_is_quantize_with_its_id_its_numbers_and_its_proof(bench, data, tmp_path):
    rows = run(bench, data, tmp_path, "--quantize", "8bit")
    again = run(bench, data, tmp_path, "--through", "8bit")
    assert [row["run"] for row in again] == [row["run"] for row in rows]
    assert again == rows
    assert len(list(tmp_path.glob("*/record.json"))) == 1
    assert {row["options"] for row in rows} == {"--quantize 8bit"}
    assert any(row["kind"] == "certificate" for row in rows)
    (plain, old), new = (planned(data, **more) for more in ({}, {"quantize": "8bit"})), planned(data, through=["8bit"])
    assert old.spec.id == new.spec.id != plain.spec.id
    assert "through" not in old.spec.fingerprints
    assert "through" not in plain.spec.to_dict()


def test_other_channels_are_other_runs_and_arguments_left_out_are_the_same(data):
    asked = ([], ["8bit"], ["jpeg"], ["jpeg(q=50)"], ["resize(0.5)"], ["jpeg", "resize(0.5)"], ["resize(0.5)", "jpeg"])
    ids = [planned(data, through=one).spec.id for one in asked]
    assert len(set(ids)) == len(asked)
    same = (["jpeg(75)"], ["jpeg(q=75)"])
    assert {planned(data, through=one).spec.id for one in same} == {ids[2]}
    assert planned(data, through=["jpeg,resize(0.5)"]).spec.id == ids[5]
    spec = planned(data, through=["jpeg"]).spec
    assert spec.quantize == "jpeg(q=75)"
    assert spec.fingerprints["through"]


def test_a_stored_run_is_answered_from_verified_and_asked_again(bench, data, tmp_path):
    first = run(bench, data, tmp_path, "--through", "jpeg(q=30)")
    assert run(bench, data, tmp_path, "--through", "jpeg(30)") == first
    assert run(bench, data, tmp_path, "--through", "jpeg(30)", eps="2")[0]["run"] == first[0]["run"]
    told = json.loads(bench("verify", first[0]["run"], "-k", "4", "--runs", tmp_path, "--json"))
    assert not told.get("refuted")
    bench("report", "--runs", tmp_path, "--to", tmp_path / "report")
    assert "--through jpeg(q=30)" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--through", "jpeg", "--move", "all"), "--through sends one image, and --move all changes three"),
        (("--through", "jpeg", "--quantize", "8bit"), "--quantize 8bit is the channel 8bit: write --through 8bit"),
        (("--through", "jpeg", "--protocol", "paper"), "rounds nothing; leave the others out"),
        (("--through", "jpeg2000"), "unknown channel 'jpeg2000'"),
        (("--through", "jpeg(q=99)"), "wants a quality from 1 to 95, got 99"),
        (("--quantize", "jpeg(q=75)"), "--quantize wants one of 8bit"),
    ],
)
def test_what_cannot_be_sent_is_refused_and_nothing_is_written(bench, data, tmp_path, words, sentence):
    runs = tmp_path / "runs"
    said = bench.refusal("run", "--metric", "l2", "--attack", "l2-apgd-ce", "--eps", "1", "--data", data,
                         "--runs", runs, *words)  # fmt: skip
    assert sentence in said
    assert not runs.exists() or not any(runs.iterdir())


def test_pairs_and_searches_are_sent_too(bench, tmp_path):
    rows = bench.json("run", "--metric", "l2", "--task", "matching", "--tau", "12", "--data", "copies(others=1)",
                      "--edit", "jpeg:95", "--attack", FAST, "--eps", "2", "--limit", "6", "--runs", tmp_path,
                      "--through", "jpeg(q=50)")  # fmt: skip
    assert {row["options"] for row in rows} == {"--through jpeg(q=50)"}


def test_searches_without_gradients_and_auto_see_what_arrives_and_queries_are_counted_without_a_channel(
    bench, data, tmp_path
):
    asked = "l2-query(queries=30,directions=4)"
    run(bench, data, tmp_path / "plain", "--limit", "2", attack=asked, eps="30")
    run(bench, data, tmp_path / "sent", "--limit", "2", "--through", "jpeg(q=30)", attack=asked, eps="30")
    plain, sent = samples_of(tmp_path / "plain"), samples_of(tmp_path / "sent")
    assert list(plain) == [*written_columns(scores_of("preference").columns), "queries"]
    assert list(sent) == list(plain)[:-1]
    assert (sent["forwards"][sent["correct"]] > 0).all()
    chosen = "auto(starts=1,steps=2,queries=2,draws=1)"
    rows = run(bench, data, tmp_path / "auto", "--limit", "2", "--through", "jpeg(q=30)", attack=chosen, eps="30")
    assert rows[-1]["options"] == "--through jpeg(q=30)"
    assert "apgd-ce" in rows[-1]["parts"]
