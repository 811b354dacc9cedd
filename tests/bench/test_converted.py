"""What was converted to be shown: said once, kept in the record, and never done to what a run itself saved."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import perceptbench as pb
from perceptbench.core.errors import Notice
from perceptbench.results.saved_images import SavedTriplet, save, saved

WORDS = ("--metric", "l2", "--attack", "l2-pgd(steps=1)", "--eps", "0.5")


@pytest.fixture
def table(tmp_path):
    """Two triplets with one reference, which is transparent; one image lies on its side and one is grey."""
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, mode in (("r", "RGBA"), ("a", "RGB"), ("b", "L"), ("c", "RGB")):
        image = Image.fromarray(rng.integers(0, 256, (16, 16, 4), dtype=np.uint8), "RGBA").convert(mode)
        image.save(tmp_path / f"{name}.png", **({"exif": exif} if name == "a" else {}))
    rows = "id,ref,left,right,right_preferred\nx,r.png,a.png,b.png,0\ny,./r.png,b.png,c.png,1\n"
    (tmp_path / "t.csv").write_text(rows)
    return tmp_path


COUNTED = {"alpha": 1, "grey": 1, "orientation": 1}


def test_the_record_counts_files_by_kind_and_it_is_said_once(table, bench):
    words = ("run", "--data", f"csv:{table}/t.csv", *WORDS, "--attack", "linf-pgd(steps=1)", "--runs", table / "runs")
    done = bench.process(*words)
    assert done.returncode == 0, done.stderr
    said = "images were converted to what a person sees: alpha 1, grey 1, orientation 1 (docs/data.md)"
    assert done.stderr.count(said) == 1
    records = [json.loads(path.read_text()) for path in (table / "runs").glob("*/record.json")]
    assert [record["facts"]["converted"] for record in records] == [COUNTED, COUNTED]
    assert [set(record["facts"]["references"].values()) for record in records] == [{"r.png"}] * 2


def test_pil_images_are_counted_as_their_files_are(table):
    names = [("r", "a", "b", 0), ("r", "b", "c", 1)]
    files = pb.data([(*(f"{one}.png" for one in row[:3]), row[3]) for row in names], folder=table)
    opened = {}
    for name in "rabc":
        with Image.open(table / f"{name}.png") as image:
            image.load()
            opened[name] = image
    held = pb.data([(*(opened[one] for one in row[:3]), row[3]) for row in names])
    for part in ("reference", "left", "right"):
        assert torch.equal(getattr(files[0:2], part), getattr(held[0:2], part))
    with pytest.warns(Notice, match="alpha 1, grey 1, orientation 1"):
        assert pb.run("l2", "l2-pgd(steps=1)", 0.5, files).records[0].facts["converted"] == COUNTED
    with pytest.warns(Notice, match="alpha 2, grey 2, orientation 1"):
        pb.run("l2", "l2-pgd(steps=1)", 0.5, held)


def test_what_a_run_saved_is_read_back_bit_for_bit(tmp_path):
    """Float32, every bit of it: no decoding of photographs stands between."""
    draw = np.random.default_rng(0)
    images = {name: draw.random((3, 16, 16), dtype=np.float32) for name in ("reference", "left", "right")}
    adversarial = draw.random((1, 3, 16, 16), dtype=np.float32)
    triplet = SavedTriplet("x", (0.5,), **images, adversarial=adversarial, moved="reference")
    (tmp_path / "run").mkdir()
    save(tmp_path / "run", 0, triplet)
    (again,) = saved(tmp_path, "run")
    for name, array in (images | {"adversarial": adversarial}).items():
        assert getattr(again, name).tobytes() == array.tobytes()
