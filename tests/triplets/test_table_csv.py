"""Tables of one's own, and every way in which one or its images can be broken."""

import numpy as np
import pytest
from PIL import Image

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.triplets import csv_rows as table
from perceptbench.triplets import images
from perceptbench.triplets.base import triplets
from perceptbench.triplets.csv_file import csv_table


def refused(file, said):
    with pytest.raises(UserError, match=said):
        csv_table(str(file))


def test_shares_and_ties(tmp_path, trees):
    source = triplets.build(Ref.parse(f"csv:{trees.csv_tree(tmp_path, [0, 0.3, '', 0.5, 1])}"))
    assert source.ids == ("t0", "t1", "t4")
    assert [entry.right_share for entry in source.entries] == [0, 0.3, 1]
    assert source.ties == 2
    batch = source.batch(source.entries)
    assert batch.left.shape == (3, 3, 224, 224)
    assert 0 <= batch.left.min() < batch.left.max() <= 1


def test_a_share_just_above_a_tie_is_no_tie(tmp_path, trees):
    source = triplets.build(Ref.parse(f"csv:{trees.csv_tree(tmp_path, ['0.50000001', '0.49999999'])}"))
    assert source.batch(source.entries).label.tolist() == [1, 0]


def test_votes_filter_only_when_asked(tmp_path, trees):
    trees.csv_tree(tmp_path, [0, 1])
    columns = ["id", "ref", "left", "right", "right_preferred", "votes"]
    names = ["img/0.png", "img/0_left.png", "img/0_right.png"]
    file = trees.write_csv(tmp_path / "v.csv", columns, [["a", *names, 1, 3], ["b", *names, 0, 6]])
    assert csv_table(str(file)).ids == ("a", "b")
    assert csv_table(str(file), min_votes=6).ids == ("b",)
    with pytest.raises(UserError, match="at least one row with 9 votes"):
        csv_table(str(file), min_votes=9)
    with pytest.raises(UserError, match="expected the column votes"):
        csv_table(str(tmp_path / "triplets.csv"), min_votes=1)


def test_a_spreadsheet_byte_order_mark_is_no_part_of_the_first_column(tmp_path, trees):
    file = trees.csv_tree(tmp_path, [0])
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert csv_table(str(file)).ids == ("t0",)


def test_fingerprint_follows_an_image(tmp_path, trees):
    file = trees.csv_tree(tmp_path, [0, 1])
    digest = csv_table(str(file)).sha256
    trees.image(tmp_path / "img/1_left.png", 99)
    assert csv_table(str(file)).sha256 != digest


@pytest.mark.parametrize("label", ["1.5", "-0.1", "nan", "inf", "left"])
def test_label(tmp_path, trees, label):
    refused(trees.csv_tree(tmp_path, [0, label, 1]), "triplets.csv row 3: expected .*right_preferred")


def test_wrong_column(tmp_path, trees):
    file = trees.csv_tree(tmp_path, [0], ["id", "ref", "left", "right", "label"])
    refused(file, "triplets.csv: expected the column right_preferred, got only id, ref, left, right, label")


def test_short_row(tmp_path, trees):
    file = trees.csv_tree(tmp_path, [0, 1])
    file.write_text(file.read_text() + "t9,img/0.png\n")
    refused(file, "triplets.csv row 4: expected 5 fields, got 2")


def test_duplicate_id(tmp_path, trees):
    file = trees.csv_tree(tmp_path, [0, 1])
    file.write_text(file.read_text().replace("t1,", "t0,"))
    refused(file, "triplets.csv row 3: expected a new id, got 't0' as in triplets.csv row 2")


def test_empty_file_only_header_only_ties_not_utf8(tmp_path, trees):
    file = trees.csv_tree(tmp_path, ["", 0.5])
    refused(file, "all 2 triplets are ties")
    file.write_text(file.read_text().splitlines()[0])
    refused(file, "expected at least one row")
    file.write_bytes(b"")
    refused(file, "got an empty file")
    file.write_bytes(b"\xff\xfe\x00i")
    refused(file, "expected a CSV file in UTF-8")
    refused(tmp_path / "none.csv", "none.csv: expected a file at")


def test_too_large_a_file(tmp_path, trees, monkeypatch):
    monkeypatch.setattr(table, "read_bytes", lambda path, where: images.read_bytes(path, where, limit=10))
    refused(trees.csv_tree(tmp_path, [0]), "expected at most 10 bytes, got a larger file")


def test_missing_image(tmp_path, trees):
    file = trees.csv_tree(tmp_path, [0, 1])
    (tmp_path / "img/1_right.png").unlink()
    refused(file, "triplets.csv row 3: expected a file at .*1_right.png, found none")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_image(tmp_path, trees, suffix):
    file = trees.csv_tree(tmp_path, [0, 1])
    # Pillow goes by content, so a JPEG under the name of a PNG is still a good image.
    trees.image(tmp_path / f"other.{suffix}", 7, side=200)
    (tmp_path / f"other.{suffix}").replace(tmp_path / "img/1_left.png")
    csv_table(str(file))
    trees.truncate(tmp_path / "img/1_left.png")
    refused(file, "triplets.csv row 3: expected a whole .*1_left.png")


def test_not_an_image(tmp_path, trees):
    file = trees.csv_tree(tmp_path, [0, 1])
    (tmp_path / "img/1.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    refused(file, "triplets.csv row 3: expected a whole .*1.png .it is no such image")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_000, 11_000, 30_000])
def test_image_bomb(tmp_path, trees, side):
    """Pillow itself lets the first pass, warns of the second and refuses the third."""
    file = trees.csv_tree(tmp_path, [0, 1])
    trees.bomb(tmp_path / "img/1.png", side)
    refused(file, "triplets.csv row 3: expected at most 64 megapixels, got more in .*1.png")


def test_sixteen_bits_are_refused_rather_than_clipped(tmp_path, trees):
    file = trees.csv_tree(tmp_path, [0])
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(tmp_path / "img/0.png")
    refused(file, "triplets.csv row 2: expected 8 bits a channel, got mode I")


@pytest.mark.parametrize("kind", ["dots", "absolute", "symlink", "null"])
def test_path_that_leaves_the_folder(tmp_path, trees, kind):
    trees.image(tmp_path / "secret.png", 1)
    file = trees.csv_tree(tmp_path / "data", [0, 1])
    (tmp_path / "data/img/link.png").symlink_to(tmp_path / "secret.png")
    name = {"dots": "../secret.png", "absolute": str(tmp_path / "data/img/0.png"), "symlink": "img/link.png"}
    file.write_text(file.read_text().replace("img/1.png", name.get(kind, "img/\0.png")))
    refused(file, "(triplets.csv row 3: expected a (path inside the data folder|file name), got)|expected a CSV file")


def test_an_image_that_vanishes_after_opening_is_named_too(tmp_path, trees):
    source = csv_table(str(trees.csv_tree(tmp_path, [0, 1])))
    (tmp_path / "img/1.png").unlink()
    with pytest.raises(UserError, match=r"triplets.csv row 3: expected a file at .*img/1.png"):
        source.batch(source.entries)


def test_a_run_keeps_the_references_that_several_triplets_share(tmp_path, trees):
    from perceptbench.bench.run_facts import repeated_references

    trees.csv_tree(tmp_path, [0, 1, 1])
    columns = ["id", "ref", "left", "right", "right_preferred"]
    rows = [
        ["a", "img/0.png", "img/0_left.png", "img/0_right.png", 1],
        ["b", "img/0.png", "img/1_left.png", "img/1_right.png", 0],
        ["c", "img/2.png", "img/2_left.png", "img/2_right.png", 1],
    ]
    source = csv_table(str(trees.write_csv(tmp_path / "shared.csv", columns, rows)))
    assert repeated_references(source.entries) == {"a": "img/0.png", "b": "img/0.png"}
    assert repeated_references(source.entries[1:]) == {}


@pytest.mark.parametrize("name", ["left", " left ", "note"])
def test_a_column_that_stands_there_twice(tmp_path, trees, name):
    columns = ["id", "ref", "left", "right", "right_preferred", name, "note"]
    names = ["img/0.png", "img/0_left.png", "img/0_right.png"]
    trees.csv_tree(tmp_path, [0])
    file = trees.write_csv(tmp_path / "twice.csv", columns, [["a", *names, 0, "img/0_right.png", ""]])
    refused(file, f"twice.csv: expected each column once, got {name.strip()} twice; rename or drop one")


def test_columns_without_a_name_may_stand_there_twice(tmp_path, trees):
    file = trees.csv_tree(tmp_path, [0, 1])
    file.write_text("\n".join(f"{line},," for line in file.read_text().splitlines()))
    assert csv_table(str(file)).ids == ("t0", "t1")


@pytest.mark.parametrize(
    "label",
    [
        "0_1",
        "1e-400",
        "1e0",
        "infinity",
        "-nan",
        "\u0661",
        "\uff11",
        "0x1",
        "1.",
        "0,25",
        "25%",
        "+",
        ".",
        "0 1",
        "0." + "0" * 400 + "1",
    ],
)
def test_only_plain_decimals_are_numbers(tmp_path, trees, label):
    file = trees.csv_tree(tmp_path, [0, label, 1])
    if label == "1.":
        assert csv_table(str(file)).entries[1].right_share == 1
    else:
        refused(file, "triplets.csv row 3: expected a number in column 'right_preferred', got .*; write it with digits")


@pytest.mark.parametrize(("label", "share"), [(" 1 ", 1), ("-0", 0), ("+0.25", 0.25), (".75", 0.75), ("001", 1)])
def test_plain_decimals_in_other_forms(tmp_path, trees, label, share):
    assert csv_table(str(trees.csv_tree(tmp_path, [label]))).entries[0].right_share == share


@pytest.mark.parametrize("label", ["9" * 400, "1e3", "inf"])
def test_votes_are_finite_numbers(tmp_path, trees, label):
    names = ["img/0.png", "img/0_left.png", "img/0_right.png"]
    trees.csv_tree(tmp_path, [0])
    columns = ["id", "ref", "left", "right", "right_preferred", "votes"]
    file = trees.write_csv(tmp_path / "v.csv", columns, [["a", *names, 1, label]])
    with pytest.raises(UserError, match="expected a number in column 'votes'"):
        csv_table(str(file), min_votes=6)


def test_one_reference_has_one_name_however_it_is_written(tmp_path, trees):
    """Also where it is a link or a copy: intervals draw references."""
    trees.csv_tree(tmp_path, [0, 1])
    image = tmp_path / "img/0.png"
    (tmp_path / "soft.png").symlink_to(image)
    (tmp_path / "hard.png").hardlink_to(image)
    (tmp_path / "copy.png").write_bytes(image.read_bytes())
    ways = ["img/0.png", "./img/0.png", "img/../img//0.png", "soft.png", "hard.png", "copy.png", "img/1.png"]
    rows = [[f"t{i}", way, "img/0_left.png", "img/0_right.png", i % 2] for i, way in enumerate(ways)]
    columns = ["id", "ref", "left", "right", "right_preferred"]
    source = csv_table(str(trees.write_csv(tmp_path / "ways.csv", columns, rows)))
    assert [entry.reference for entry in source.entries] == ["img/0.png"] * 6 + ["img/1.png"]


def test_names_that_cannot_be_printed_are_kept_as_what_can(tmp_path, trees):
    file = trees.csv_tree(tmp_path, [0, 1])
    file.write_text(file.read_text(encoding="utf-8").replace("t1", '"two\nlines\u202e"'), encoding="utf-8")
    assert csv_table(str(file)).ids == ("t0", r"two\nlines\u202e")
