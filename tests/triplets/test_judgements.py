"""Data sets of people's judgements: one table in a folder, which judges metrics and trains none."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from perceptbench.bench.commands.fit_lpips import run
from perceptbench.bench.run_facts import repeated_references
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.training.lipsim.config import Machine, Sources, TrainConfig
from perceptbench.training.lipsim.data.material import gather
from perceptbench.training.lpips.lpips_config import LPIPSConfig
from perceptbench.triplets.base import triplets
from perceptbench.triplets.images import read_image

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
NAMES = ("objects92", "rocks30", "zappos")
COLUMNS = ["id", "ref", "left", "right", "right_preferred", "votes", "group"]


def tree(trees: SimpleNamespace, folder: Path) -> Path:
    """Four images, three triplets of two references and a tie."""
    for seed in range(4):
        trees.image(folder / f"images/{seed}.png", seed)
    rows = [
        ["a", 0, 1, 2, 0.25, 16, "x"],
        ["b", 0, 2, 3, 1, 16, "y"],
        ["c", 3, 1, 2, 0, 1, ""],
        ["d", 3, 0, 1, 0.5, 4, ""],
    ]
    named = [[row[0], *(f"images/{number}.png" for number in row[1:4]), *row[4:]] for row in rows]
    trees.write_csv(folder / "triplets.csv", COLUMNS, named)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_shares_references_and_groups(trees: SimpleNamespace, tmp_path: Path, name: str) -> None:
    source = triplets.build(Ref(name, str(tree(trees, tmp_path))))
    assert [(e.id, e.right_share, e.group) for e in source.entries] == [("a", 0.25, "x"), ("b", 1, "y"), ("c", 0, "")]
    assert (source.name, source.ties, source.kind) == (name, 1, "triplets")
    assert repeated_references(source.entries) == dict.fromkeys("ab", "images/0.png")
    assert source.people
    batch = source.batch(source.entries)
    assert torch.equal(batch.right[0], batch.left[1])


def test_a_table_of_ones_own_has_groups_too(trees: SimpleNamespace, tmp_path: Path) -> None:
    source = triplets.build(Ref("csv", str(tree(trees, tmp_path) / "triplets.csv")))
    assert [e.group for e in source.entries] == ["x", "y", ""]
    assert source.people
    assert not source.judges_only


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    for name in NAMES:
        with pytest.raises(UserError, match=r"expected a file at .*triplets\.csv"):
            triplets.build(Ref(name, str(tmp_path)))


def supplement(trees: SimpleNamespace, folder: Path, answer: object = 1) -> Path:
    for seed in range(6):
        trees.image(folder / f"{seed}.png", seed)
    rows = [["7", "0.png", "1.png", "2.png", answer, ""], ["9", "3.png", "4.png", "5.png", 0, ""]]
    trees.write_csv(folder / "triplets.csv", COLUMNS[:-1], rows)
    return folder


def test_the_supplement_of_nights_is_known_by_its_table(trees: SimpleNamespace, tmp_path: Path) -> None:
    source = triplets.build(Ref("nights", str(supplement(trees, tmp_path))))
    assert [(e.id, e.right_share, e.group) for e in source.entries] == [("7", 1, ""), ("9", 0, "")]
    assert source.name == "nights"
    assert source.people
    assert "supplement" in source.note
    with pytest.raises(UserError, match=r"expected no split, .* got 'test'"):
        triplets.build(Ref("nights", f"{tmp_path}@test"))


@pytest.mark.parametrize("answer", ["", 0.5, 0.25, "yes"])
def test_an_answer_of_the_supplement_is_left_or_right(trees: SimpleNamespace, tmp_path: Path, answer: object) -> None:
    with pytest.raises(UserError, match="row 2: expected"):
        triplets.build(Ref("nights", str(supplement(trees, tmp_path, answer))))


def test_the_layout_of_the_authors_comes_first(trees: SimpleNamespace, tmp_path: Path) -> None:
    supplement(trees, trees.nights_tree(tmp_path))
    source = triplets.build(Ref("nights", str(tmp_path)))
    assert len(source) == 5
    assert not source.judges_only


def test_nothing_is_fitted_to_what_only_judges(trees: SimpleNamespace, tmp_path: Path) -> None:
    """Before a photograph is looked for, and before anything is written."""
    found = {name: tree(trees, tmp_path / name) for name in NAMES}
    found |= {"nights": supplement(trees, tmp_path / "nights")}
    for name, folder in found.items():
        data, to = f"{name}:{folder}", tmp_path / "to.safetensors"
        for fit in (
            lambda data=data: gather(Sources(data=(data,)), TrainConfig(), Machine(device="cpu")),
            lambda data=data, to=to: run(data, to, LPIPSConfig(), None, ""),
        ):
            with pytest.raises(UserError, match=f"expected data to learn from, got {name}, which only judges"):
                fit()
        assert not to.exists()


@pytest.mark.parametrize(
    ("name", "folder", "n", "references"),
    [("objects92", "objects92", 2640, 44), ("rocks30", "rocks30", 2721, 13), ("zappos", "zappos_triplets", 4116, 41)],
)
def test_genuine_judgements(name: str, folder: str, n: int, references: int) -> None:
    if not (SHARED / folder).is_dir():
        pytest.skip("the data sets of people's judgements are not beside this checkout")
    source = triplets.build(Ref(name, str(SHARED / folder)))
    assert (len(source), source.ties, len({e.reference for e in source.entries})) == (n, 0, references)


@pytest.mark.skipif(not (SHARED / "rocks30").is_dir(), reason="rocks30 is not beside this checkout")
def test_pixels_on_rocks() -> None:
    """Counted beforehand by another program (NumPy, Pillow's bicubic 224): pixel l2 answers 1,657 of 2,721 right."""
    source = triplets.build(Ref("rocks30", str(SHARED / "rocks30")))
    paths = sorted({path for entry in source.entries for path in entry.paths})
    x = torch.stack([read_image(path, "") for path in paths]).flatten(1).double()
    distance, place = torch.cdist(x, x), {path: i for i, path in enumerate(paths)}
    right = 0
    for entry in source.entries:
        reference, left, other = (place[path] for path in entry.paths)
        right += bool(distance[reference, other] < distance[reference, left]) == (entry.right_share > 0.5)
    assert right == 1657


@pytest.mark.skipif(not (SHARED / "nights_supplement").is_dir(), reason="the supplement is not beside this checkout")
def test_genuine_supplement() -> None:
    source = triplets.build(Ref("nights", str(SHARED / "nights_supplement")))
    assert (len(source), source.ties, source.judges_only) == (60, 0, True)
    assert sum(entry.right_share for entry in source.entries) == 32
