"""What every registered data set keeps to, on small folders in its own layout."""

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from perceptbench.core.ref import Ref
from perceptbench.testing import PairsContract, TripletsContract
from perceptbench.triplets.base import TripletSource, triplets
from perceptbench.triplets.material2afc import COLUMNS as MATERIAL
from perceptbench.triplets.pairs import PairSource


def picture(path: Path, seed: int) -> None:
    """Coloured noise, not square."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 40, 3), dtype=np.uint8)).save(path)


def table(path: Path, columns: list[str], rows: list[list[object]]) -> None:
    """A CSV file."""
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])


def csv_data(folder: Path) -> str:
    """Four triplets, one of them a tie."""
    rows: list[list[object]] = []
    for i, share in enumerate((0, 0.3, 0.5, 1)):
        names = [f"{i}_{part}.png" for part in ("ref", "left", "right")]
        for j, name in enumerate(names):
            picture(folder / name, 3 * i + j)
        rows.append([f"t{i}", *names, share])
    table(folder / "data.csv", ["id", "ref", "left", "right", "right_preferred"], rows)
    return f"csv:{folder / 'data.csv'}"


def nights(folder: Path) -> str:
    """Three triplets of the test split."""
    rows: list[list[object]] = []
    for i in range(3):
        names = [f"ref/{i}.png", f"distort/{i}_0.png", f"distort/{i}_1.png"]
        for j, name in enumerate(names):
            picture(folder / name, 3 * i + j)
        rows.append([i, int(i % 2 == 0), i % 2, 8, *names, "test", True, "dog"])
    names = ["id", "left_vote", "right_vote", "votes", "ref_path", "left_path", "right_path", "split", "is_imagenet"]
    table(folder / "data.csv", [*names, "prompt"], rows)
    return f"nights:{folder}"


def bapps(folder: Path) -> str:
    """Three triplets of one subset."""
    place = folder / "val" / "cnn"
    (place / "judge").mkdir(parents=True)
    for i, share in enumerate((0.0, 0.6, 1.0)):
        for j, kind in enumerate(("ref", "p0", "p1")):
            picture(place / kind / f"{i:06d}.png", 3 * i + j)
        np.save(place / "judge" / f"{i:06d}.npy", np.array([share], dtype=np.float32))
    return f"bapps:{folder}"


def images(folder: Path) -> str:
    """Three photographs without answers."""
    for i in range(3):
        picture(folder / f"{i}.png", i)
    return f"images:{folder}"


def material2afc(folder: Path) -> str:
    """Two triplets that share their images."""
    for seed, name in enumerate(("teflon", "nylon", "chrome", "pearl")):
        picture(folder / "images" / f"{name}.jpg", seed)
    rows: list[list[object]] = [["a", "teflon", "nylon", "chrome", 3, 1], ["b", "chrome", "nylon", "pearl", 0, 4]]
    table(folder / "triplets.csv", list(MATERIAL), rows)
    return f"material2afc:{folder}"


def pairs(folder: Path) -> str:
    """Three pairs of three images."""
    for i in range(3):
        picture(folder / f"{i}.png", i)
    rows: list[list[object]] = [["p", "0.png", "1.png", 1], ["q", "0.png", "2.png", 0], ["r", "2.png", "1.png", 0]]
    table(folder / "pairs.csv", ["id", "a", "b", "same"], rows)
    return f"pairs:{folder / 'pairs.csv'}"


def edited_copies(folder: Path) -> str:
    """Three photographs under two edits."""
    return f"{images(folder).replace('images', 'copies', 1)}(edits=noise:30 crop:15)"


def judgements(name: str, folder: Path) -> str:
    """What people answered, in a folder with one table."""
    csv_data(folder)
    (folder / "data.csv").rename(folder / "triplets.csv")
    return f"{name}:{folder}"


MADE_PAIRS: dict[str, Callable[[Path], str]] = {"pairs": pairs, "copies": edited_copies}
MADE: dict[str, Callable[[Path], str]] = {
    "photos": lambda folder: "photos", "csv": csv_data, "nights": nights, "bapps": bapps, "images": images,
    "material2afc": material2afc, **{name: partial(judgements, name) for name in ("objects92", "rocks30", "zappos")},
}  # fmt: skip


OTHER_KINDS = {"gallery"}
"""Data that are no triplets; their own tests: triplets/test_gallery.py."""


class TestTriplets(TripletsContract):
    """Each by its name."""

    @pytest.fixture(params=[name for name in triplets.names() if name not in (*OTHER_KINDS, *MADE_PAIRS)])
    def target(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        """As a user writes it; a data set without a builder here fails at its name."""
        return MADE[request.param](tmp_path)

    @pytest.fixture
    def subject(self, target: str) -> TripletSource:
        return triplets.build(Ref.parse(target))

    @pytest.fixture
    def again(self, target: str) -> TripletSource:
        return triplets.build(Ref.parse(target))


class TestPairs(PairsContract):
    """Each by its name."""

    @pytest.fixture(params=MADE_PAIRS)
    def target(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        return MADE_PAIRS[request.param](tmp_path)

    @pytest.fixture
    def subject(self, target: str) -> PairSource:
        return triplets.build(Ref.parse(target))

    @pytest.fixture
    def again(self, target: str) -> PairSource:
        return triplets.build(Ref.parse(target))
