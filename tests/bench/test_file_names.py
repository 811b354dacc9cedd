"""Files may be named by any bytes: they are read, runs and reports are written, and no terminal ends them."""

import json
import os

import numpy as np
import pytest
from PIL import Image

METRIC = "class Mine:\n    def __call__(self, x, y):\n        return (x - y).abs().mean((1, 2, 3))\n"
ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
UTF8 = {"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}


@pytest.fixture
def folder(tmp_path):
    """A table, a metric and images whose names are no UTF-8."""
    rng = np.random.default_rng(0)
    images = tmp_path / os.fsdecode(b"im\xe9g")
    try:
        images.mkdir()
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    for name in ("r", "a", "b"):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    for i, name in enumerate((b"caf\xe9.png", b"a\nb.png", b"<b>.png", "\u4e2d.png".encode())):
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(tmp_path / "t.png")
        (tmp_path / "t.png").rename(images / os.fsdecode(name))
    table = 'id,ref,left,right,right_preferred\nx\u202e,r.png,a.png,b.png,0\n"two\nlines",./r.png,b.png,a.png,1\n'
    for name, text in ((b"caf\xe9.csv", table), (b"m\xe9_$$.py", METRIC)):
        (tmp_path / os.fsdecode(name)).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("terminal", [ASCII, UTF8], ids=["ascii", "utf-8"])
def test_runs_and_reports_of_files_with_any_name(folder, bench, terminal):
    def process(*words):
        done = bench.process(*words, cwd=folder, env=terminal)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    runs, metric = os.fsdecode(b"runs\xe9"), os.fsdecode(b"py:m\xe9_$$.py:Mine")
    words = ("--metric", metric, "--attack", "l2-pgd(steps=1)", "--eps", "0.5", "--runs", runs)
    process("run", "--data", os.fsdecode(b"csv:caf\xe9.csv"), *words, "--save-images", "1")
    rows = json.loads(process("run", "--data", os.fsdecode(b"images:im\xe9g"), "--goal", "push", *words, "--json"))[
        "rows"
    ]
    assert {(row["metric"], row["data"]) for row in rows} == {(r"py:m\xe9_$$.py:Mine", r"images:im\xe9g")}
    process("report", "--runs", runs, "--to", os.fsdecode(b"rep\xe9"), "--format", "md,latex,html,csv")
    written = folder / os.fsdecode(b"rep\xe9") / "report.md"
    assert r"m\\xe9\_\$\$.py" in written.read_text(encoding="utf-8")


def test_a_refusal_cannot_steer_the_terminal(folder, bench):
    done = bench.process("distance", "no\x1b[31m.png", os.fsdecode(b"caf\xe9.png"), "--metric", "l2", cwd=folder)
    assert done.returncode == 2
    assert done.stderr == "bench: command line: expected a file at no\\x1b[31m.png, found none; check the path\n"


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_distance_that_is_no_number_is_refused(number, folder, bench):
    (folder / "wrong.py").write_text(
        f"class W:\n    def __call__(s, x, y):\n        return x[:, 0, 0, 0] * 0 + float('{number}')\n"
    )
    words = ("distance", folder / "r.png", folder / "a.png", "--metric", f"py:{folder}/wrong.py:W")
    for more in ((), ("--json",)):
        assert f"expected a finite distance, got {number} from py:" in bench.refusal(*words, *more)
