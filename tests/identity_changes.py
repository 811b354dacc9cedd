"""Changes one part of a run after the other, and shows which parts of its id moved and whether the probe spoke.

    python tests/identity_changes.py COPY

COPY is a folder that may be written: it gets a copy of the package, a data set, a metric and installed packages, and
everything is changed there. Prints one line of JSON for each change.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CODE = ("core", "triplets", "metrics", "attacks", "certifiers", "tasks", "results", "reports", "training", "bench",
        "testing")  # fmt: skip

METRIC = '''
"""A metric that keeps what decides it in every place that one can."""
import array
import random
from pathlib import Path

import numpy as np
import torch
from torch import nn

import numbers_of_wheel
from helper_one import weight_of_helper


class Plain:
    def __init__(self):
        self.factor = torch.full((1,), float(Path(__file__).with_name("plain.txt").read_text()))


def _net(name):
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, float(Path(__file__).with_name(name).read_text()))
    return net


class Mine:
    def __init__(self):
        read = lambda name: float(Path(__file__).with_name(name).read_text())
        closed = _net("closed.txt")
        self.by_closure = lambda d: closed(d[:, None])[:, 0]
        self.nets = [_net("listed.txt")]
        self.named = {"a": np.array([read("named.txt")])}
        self.helper = Plain()
        self.packed = array.array("d", [read("packed.txt")])
        self.hidden = random.Random(int(read("seeded.txt")))
        self.state = self.hidden.getstate()[1][5] % 7 / 7
        self.wheel = numbers_of_wheel

    def __call__(self, x, y):
        d = (x - y).abs().mean((1, 2, 3))
        d = self.by_closure(d)
        d = self.nets[0](d[:, None])[:, 0] * float(self.named["a"][0]) * self.helper.factor.to(d)
        d = d * self.packed[0] * (1 + self.state) * weight_of_helper()
        return d * self.wheel.sign() * outside()


def outside():
    return float(Path(__file__).with_name("read_when_called.txt").read_text())
'''

FILES = {
    "mine.py": METRIC,
    "helper_one.py": "from helper_two import BASE\n\n\ndef weight_of_helper():\n    return BASE * 2\n",
    "helper_two.py": "BASE = 0.5\n",
    **{f"{name}.txt": "1.0" for name in ("plain", "closed", "listed", "named", "packed", "seeded", "read_when_called")},
}


def prepare(copy: Path) -> None:
    """Everything that will be changed."""
    for name in CODE:
        shutil.copytree(ROOT / name, copy / "code" / name, ignore=shutil.ignore_patterns("__pycache__", "reference"))
    shutil.copytree(ROOT / "src", copy / "code" / "src", symlinks=True, ignore=shutil.ignore_patterns("*.egg-info"))
    yours = copy / "yours"
    yours.mkdir()
    for name, text in FILES.items():
        (yours / name).write_text(text)
    wheel(copy, "1.0", sign=1)
    _data(copy / "data")


def wheel(copy: Path, version: str, sign: int) -> None:
    """An installed package with its version; what a metric of a third party stands on."""
    place = copy / "installed"
    for old in place.glob("numbers_of_wheel-*"):
        shutil.rmtree(old)
    package, told = place / "numbers_of_wheel", place / f"numbers_of_wheel-{version}.dist-info"
    package.mkdir(parents=True, exist_ok=True)
    told.mkdir()
    (package / "__init__.py").write_text(f"def sign():\n    return {sign}\n")
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: numbers-of-wheel\nVersion: {version}\n")
    (told / "top_level.txt").write_text("numbers_of_wheel\n")
    (told / "RECORD").write_text("numbers_of_wheel/__init__.py,,\n")


def _data(folder: Path) -> None:
    from perceptbench.triplets.photos import FOLDER

    folder.mkdir()
    photographs = sorted(FOLDER.glob("*.webp")) or sorted(FOLDER.glob("*.jpg"))
    for name, photograph in zip("abcdef", photographs, strict=False):
        shutil.copy(photograph, folder / f"{name}{photograph.suffix}")
    suffix = photographs[0].suffix
    rows = [("one", "abc", 1), ("two", "bcd", 0), ("three", "cde", 1), ("four", "def", 0)]
    lines = ["id,ref,left,right,right_preferred"]
    lines += [",".join([name, *(f"{one}{suffix}" for one in three), str(share)]) for name, three, share in rows]
    (folder / "table.csv").write_text("\n".join(lines) + "\n")


@contextmanager
def changed(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """A file with another content, and then as it was."""
    before = path.read_bytes()
    after = change(before)
    assert after != before, f"nothing to change in {path}"
    path.write_bytes(after)
    try:
        yield
    finally:
        path.write_bytes(before)


def replaced(old: str, new: str) -> Callable[[bytes], bytes]:
    """A change of text."""

    def change(content: bytes) -> bytes:
        assert old.encode() in content, old
        return content.replace(old.encode(), new.encode(), 1)

    return change


def added(text: str) -> Callable[[bytes], bytes]:
    """A change at the end of a file."""
    return lambda content: content + text.encode()


class Asked:
    """The run that is asked for again and again, in a process of its own copy of the package."""

    def __init__(self, copy: Path) -> None:
        from perceptbench.bench.request import Request
        from perceptbench.results.store import RunStore

        self.copy = copy
        self.store = RunStore(copy / "runs")
        self.request = Request(
            metrics=[f"py:{copy / 'yours' / 'mine.py'}:Mine"], data=[f"csv:{copy / 'data' / 'table.csv'}"],
            attacks=["l2-pgd(steps=1)"], certifiers=[], eps=(0.5,), device="cpu",
        )  # fmt: skip

    def plan(self) -> Any:
        """As a new process would make it: modules of the user are read anew."""
        from perceptbench.bench.planner import make_plans
        from perceptbench.core import source_code

        for name in ("helper_one", "helper_two", "numbers_of_wheel"):
            sys.modules.pop(name, None)
        source_code._version.cache_clear()
        return make_plans(self.request)[0]

    def first(self) -> Any:
        """The run before any change, which is stored."""
        from perceptbench.bench.runner import run_plans

        plan = self.plan()
        self.record = run_plans([plan], self.store)[0]
        return plan

    def spoken(self) -> str:
        """What the probe says of the stored run today."""
        from perceptbench.bench.probe import difference

        return difference(self.plan(), self.record.samples, {})


def changes(copy: Path) -> Iterator[tuple[str, Any]]:
    """What is changed, and how."""
    yours, code, data = copy / "yours", copy / "code", copy / "data"
    for name in ("closed", "listed", "named", "plain", "packed"):
        yield f"weight: {name}", changed(yours / f"{name}.txt", lambda _: b"-2.0")
    yield "state of an object of an extension", changed(yours / "seeded.txt", lambda _: b"5")
    yield "helper two imports away", changed(yours / "helper_two.py", replaced("0.5", "-0.5"))
    yield "file read at each call", changed(yours / "read_when_called.txt", lambda _: b"-1.0")
    yield "version of a package", _other_wheel(copy, "2.0", sign=1)
    yield "package edited in place", _other_wheel(copy, "1.0", sign=-1)
    share = 'row.number("right_preferred", 0, 1, blank=0.5)'
    yield "loader: labels inverted", changed(code / "triplets" / "csv_file.py", replaced(share, f"1 - {share}"))
    yield "label", changed(data / "table.csv", replaced(",1\n", ",0\n"))
    yield "pixel", changed(next(data.glob("a.*")), _other_picture)
    for name in ("attacks/pgd.py", "attacks/running/judge.py", "tasks/compared.py", "attacks/threats/lp.py",
                 "bench/evaluate.py", "bench/runner.py", "bench/kept_state.py", "metrics/base.py"):  # fmt: skip
        yield f"code: {name}", changed(code / name, added("\nMORE = 1\n"))
    yield "comment in core/errors.py", changed(code / "core" / "errors.py", added("\n# A remark.\n"))
    yield "docstring of the metric", changed(yours / "mine.py", replaced("A metric that keeps", "One that keeps"))
    for name in ("attacks/fmn.py", "attacks/apgd.py", "certifiers/smoothing.py", "metrics/classical/ssim.py",
                 "triplets/nights.py", "reports/tables/leaderboard.py"):  # fmt: skip
        yield f"unused: {name}", changed(code / name, added("\nMORE = 1\n"))


def _other_picture(content: bytes) -> bytes:
    import io

    from PIL import Image

    image = Image.open(io.BytesIO(content)).convert("RGB")
    image.putpixel((0, 0), tuple(255 - value for value in image.getpixel((0, 0))))
    written = io.BytesIO()
    image.save(written, format="PNG")
    return written.getvalue()


@contextmanager
def _other_wheel(copy: Path, version: str, sign: int) -> Iterator[None]:
    wheel(copy, version, sign)
    try:
        yield
    finally:
        wheel(copy, "1.0", sign=1)


def report(copy: Path) -> None:
    """One line of JSON for each change: the parts of the id that moved, and what the probe says."""
    from perceptbench.core import source_code

    installed = (copy / "installed").resolve()
    source_code._INSTALLED = (*source_code._INSTALLED, installed)
    sys.path[:0] = [str(installed), str(copy / "yours")]
    asked = Asked(copy)
    before = asked.first().spec
    for name, change in changes(copy):
        with change:
            spec = asked.plan().spec
            moved = [key for key, value in spec.fingerprints.items() if before.fingerprints.get(key) != value]
            print(json.dumps({"change": name, "moved": moved, "id": spec.id != before.id, "probe": asked.spoken()}))
    after = asked.plan().spec
    assert after.id == before.id, "something was left changed"


def run(copy: Path) -> list[dict[str, Any]]:
    """The lines, from a process that runs the copy of the package."""
    prepare(copy)
    places = {"PYTHONPATH": str(copy / "code" / "src"), "XDG_CACHE_HOME": str(copy / "cache")}
    command = [sys.executable, "-B", str(Path(__file__)), "--inside", str(copy)]
    text = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **places}).stdout
    return [json.loads(line) for line in text.splitlines()]


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        report(Path(sys.argv[2]))
    else:
        for line in run(Path(sys.argv[1])):
            print(f"{line['change']:38} {', '.join(line['moved']) or '-':32} {line['probe'] or '-'}")
