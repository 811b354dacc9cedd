"""A small csv data set, and the command line run in this process or in one of its own."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from perceptbench.bench.cli import app
from perceptbench.core.errors import UserError


def make_data(folder: Path, n: int) -> str:
    """Triplets around mid-grey; the expected answer is that of pixel l2, one triplet excepted."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        base = rng.integers(96, 160, (16, 16, 3))
        names, near, far = {}, 4 + 6 * (i % 8), 40 - 3 * (i % 8)
        for side, strength in (("ref", 0), ("left", near), ("right", far)):
            pixels = np.clip(base + rng.integers(-strength, strength + 1, base.shape), 0, 255).astype(np.uint8)
            names[side] = f"{i}_{side}.png"
            Image.fromarray(pixels).resize((224, 224), Image.Resampling.NEAREST).save(folder / names[side])
        right = int(near > far)
        rows.append({"id": f"t{i}", **names, "right_preferred": 1 - right if i == 0 else right})
    return write_table(folder / "data.csv", rows)


def write_table(path: Path, rows: list[dict]) -> str:
    """A csv data set from its rows."""
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return f"csv:{path}"


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight triplets."""
    return make_data(tmp_path_factory.mktemp("data"), 8)


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """More triplets than the largest batch in use here."""
    return make_data(tmp_path_factory.mktemp("many"), 34)


class Bench:
    """`bench WORDS`, in this process."""

    def __call__(self, *words: object) -> str:
        """Standard output. Raises what the command raised."""
        result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: object) -> list[dict]:
        """The rows of --json; standard output holds that object and nothing else."""
        answer = json.loads(self(*words, "--json"))
        assert answer["schema"] == 1
        return answer["rows"]

    def refusal(self, *words: object) -> str:
        """The sentence of a UserError."""
        with pytest.raises(UserError) as caught:
            self(*words)
        return str(caught.value)

    @staticmethod
    def process(
        *words: object, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The installed command in a process of its own."""
        command = [str(Path(sys.executable).with_name("bench")), *map(str, words)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=300, cwd=cwd, check=False, env=os.environ | (env or {})
        )


@pytest.fixture(scope="session")
def bench() -> Bench:
    return Bench()
