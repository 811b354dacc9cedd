"""Images of one's own are read as a person sees them, or refused; those of NIGHTS and BAPPS as their programs do."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from perceptbench.bench.api.images import taken
from perceptbench.core.errors import Notice, UserError
from perceptbench.triplets import images, inventory, original
from perceptbench.triplets.base import conversions
from perceptbench.triplets.csv_file import csv_table
from perceptbench.triplets.image_folder import images as image_folder
from perceptbench.triplets.inventory import inspected
from perceptbench.triplets.shown import GREY, shown

CASES = Path(__file__).parents[3] / "shared" / "cases"
RED, BLUE = (200, 30, 40), (10, 20, 220)
PRIMARIES = {  # of Adobe RGB (1998), whose gamma is 563/256: x, y of white, red, green, blue
    "adobe": ((0.3127, 0.3290), (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)),
    "srgb": ((0.3127, 0.3290), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
}


def stripes() -> Image.Image:
    """Left half red, right half blue, four wide and two high."""
    return Image.fromarray(np.array([[RED, RED, BLUE, BLUE]] * 2, np.uint8))


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"))


def decoded(image: Image.Image, kind: str = "PNG", **more: object) -> tuple[np.ndarray, tuple[str, ...]]:
    """What an image gives that was saved and is read again."""
    stream = io.BytesIO()
    image.save(stream, kind, **more)
    found = images.decode(stream.getvalue(), Path("x"), "test")
    assert found.image.mode == "RGB"
    return pixels(found.image), found.converted


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(depth: int, colour: int, rows: list[bytes], *between: bytes, width: int = 4) -> bytes:
    """A PNG written by hand: Pillow writes neither deep colours nor transparent levels of few bits."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(between) + data + chunk(b"IEND", b"")


def s15(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def matrix_profile(name: str, gamma: float) -> bytes:
    """An ICC profile of version 2 with these primaries, adapted to D50, and one gamma for all channels."""
    white, *corners = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in PRIMARIES[name])
    mixed = np.stack(corners, 1)
    mixed = mixed * np.linalg.solve(mixed, white)
    cone = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d50 = np.array([0.9642, 1, 0.8249])
    mixed = np.linalg.inv(cone) @ np.diag(cone @ d50 / (cone @ white)) @ cone @ mixed
    xyz = {f"{letter}XYZ": b"XYZ \0\0\0\0" + b"".join(map(s15, mixed[:, i])) for i, letter in enumerate("rgb")}
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + b"\0" * 79
    tags = {"desc": text, "wtpt": b"XYZ \0\0\0\0" + b"".join(map(s15, d50)), **xyz}
    tags |= {f"{letter}TRC": curve for letter in "rgb"}
    return icc(b"RGB ", tags)


def icc(space: bytes, tags: dict[str, bytes]) -> bytes:
    """A profile of a display, of version 2, with these tags."""
    body, table, at = b"", b"", 132 + 12 * len(tags)
    for key, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        table += key.encode() + struct.pack(">II", at + len(body), len(value))
        body += value
    size = 128 + 4 + len(table) + len(body)
    head = (
        struct.pack(">I", size)
        + b"\0" * 4
        + struct.pack(">I", 0x02100000)
        + b"mntr"
        + space
        + b"XYZ "
        + b"\0" * 12
        + b"acsp"
    )
    head = head.ljust(68, b"\0") + b"".join(map(s15, (0.9642, 1, 0.8249)))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


SEEN = {
    1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud, 5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1), 7: lambda x: np.rot90(x.swapaxes(0, 1), 2), 8: np.rot90,
}  # fmt: skip


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_upright(kind, orientation):
    stored = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 32, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    more = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    as_stored, nothing = decoded(stored, kind, **more)
    found, converted = decoded(stored, kind, exif=exif, **more)
    np.testing.assert_array_equal(found, SEEN[orientation](as_stored))
    assert (nothing, converted) == ((), ("orientation",) if orientation > 1 else ())


def test_what_is_transparent_shows_one_grey_in_every_mode():
    colours = np.array([[RED, BLUE]], np.uint8)
    alpha = np.array([[255, 0]], np.uint8)
    rgba = Image.fromarray(np.dstack([colours, alpha]))
    expected = np.array([[RED, (GREY,) * 3]])
    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, *BLUE])
    palette.putdata([0, 1])
    ways = {
        "alpha": decoded(rgba),
        "webp": decoded(rgba, "WEBP", lossless=True),
        "colour": decoded(Image.fromarray(colours), transparency=BLUE),
        "index": decoded(palette, transparency=1),
        "bytes": decoded(palette, transparency=b"\xff\x00"),
        "premultiplied": (lambda one: (pixels(one.image), one.converted))(shown(rgba.convert("RGBa"), "test")),
    }
    for found, converted in ways.values():
        np.testing.assert_array_equal(found, expected)
        assert converted[-1] == "alpha"
    half = decoded(Image.fromarray(np.dstack([colours, np.array([[128, 128]], np.uint8)])))[0]
    np.testing.assert_allclose(half, np.array([[RED, BLUE]]) * (128 / 255) + GREY * (127 / 255), atol=1)


def test_grey_with_alpha_and_one_bit():
    grey = np.array([[70, 200]], np.uint8)
    expected = np.repeat(np.array([[70, GREY]])[..., None], 3, 2)
    both = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(np.array([[255, 0]], np.uint8))])
    for found, converted in (decoded(both), decoded(Image.fromarray(grey), transparency=200)):
        np.testing.assert_array_equal(found, expected)
        assert converted == ("grey", "alpha")
    bits = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    np.testing.assert_array_equal(decoded(bits)[0][0, :, 0], [0, 255])
    np.testing.assert_array_equal(decoded(bits, transparency=1)[0][0, :, 0], [0, GREY])


@pytest.mark.parametrize(("depth", "row", "level"), [(1, b"\x50", 1), (2, b"\x1b", 1), (4, b"\x01\x23", 1)])
def test_a_transparent_level_of_few_bits_is_counted_as_the_pixels_are(depth, row, level):
    content = png(depth, 0, [row], chunk(b"tRNS", struct.pack(">H", level)))
    levels = {1: [0, 255, 0, 255], 2: [0, 85, 170, 255], 4: [0, 17, 34, 51]}[depth]
    expected = [GREY if value == level * (255 // (2**depth - 1)) else value for value in levels]
    found = images.decode(content, Path("x"), "test").image
    assert np.asarray(found)[0, :, 0].tolist() == expected


def test_a_picture_without_a_transparent_pixel_counts_no_alpha():
    assert decoded(stripes().convert("RGBA"))[1] == ()


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (4, 2), (2, 3), (6, 4)])
def test_sixteen_bits_are_refused_for_every_number_of_channels(colour, channels, tmp_path):
    content = png(16, colour, [bytes(range(8 * channels))], width=4)
    said = r"expected 8 bits a channel, got (16|mode I;16) in .*deep.png; convert"
    (tmp_path / "deep.png").write_bytes(content)
    with pytest.raises(UserError, match=said):
        images.read_image(tmp_path / "deep.png", "test")
    for load in (False, True):
        with Image.open(tmp_path / "deep.png") as opened:
            opened.load() if load else None
            with pytest.raises(UserError, match="expected 8 bits a channel"):
                taken(opened)


def test_a_profile_is_converted_and_that_of_srgb_changes_nothing():
    adobe = matrix_profile("adobe", 563 / 256)
    found, converted = decoded(Image.new("RGB", (2, 2), (0, 200, 0)), icc_profile=adobe)
    # By hand: the green of Adobe RGB lies outside sRGB, and grey stays grey.
    assert converted == ("profile",)
    assert found[0, 0, 0] == 0
    assert found[0, 0, 1] in (200, 201, 202)
    grey = decoded(Image.new("RGB", (2, 2), (128, 128, 128)), icc_profile=adobe)[0]
    np.testing.assert_allclose(grey, 128, atol=1)
    # In floats, of one colour that both spaces have.
    linear = (np.array([150, 120, 90]) / 255) ** (563 / 256)
    to_srgb = np.array([[1.39836, -0.39836, 0], [0, 1, 0], [0, -0.04293, 1.04293]]) @ linear
    expected = np.where(to_srgb <= 0.0031308, 12.92 * to_srgb, 1.055 * to_srgb ** (1 / 2.4) - 0.055) * 255
    found = decoded(Image.new("RGB", (2, 2), (150, 120, 90)), icc_profile=adobe)[0][0, 0]
    np.testing.assert_allclose(found, expected, atol=1)
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same, nothing = decoded(stripes(), icc_profile=own)
    np.testing.assert_array_equal(same, pixels(stripes()))
    assert nothing == ()


def test_a_profile_that_does_not_fit_is_refused():
    for profile in (b"not a profile", matrix_profile("adobe", 2.2)[:200]):
        with pytest.raises(UserError, match="expected a colour profile that fits the image, got a damaged one"):
            decoded(stripes(), icc_profile=profile)
    with pytest.raises(UserError, match="got a profile for RGB with an image in CMYK in x; convert it"):
        decoded(stripes().convert("CMYK"), "JPEG", icc_profile=matrix_profile("adobe", 2.2))
    with pytest.raises(UserError, match="got a profile for Lab"):
        decoded(stripes(), icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes())


def test_grey_with_a_profile_of_three_channels_stays_grey():
    found, converted = decoded(Image.new("L", (2, 2), 100), "JPEG", icc_profile=matrix_profile("srgb", 1.0))
    assert converted == ("grey", "profile")
    assert found[0, 0].tolist() == pytest.approx([(1.055 * (100 / 255) ** (1 / 2.4) - 0.055) * 255] * 3, abs=1.5)


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of one channel: that of sRGB with its colours taken away."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    white = b"XYZ \0\0\0\0" + b"".join(map(s15, (0.9642, 1, 0.8249)))
    return icc(b"GRAY", {"wtpt": white, "kTRC": curve})


def test_grey_with_a_profile_of_its_own():
    found, converted = decoded(Image.new("LA", (2, 2), (100, 255)), icc_profile=grey_profile(1.0))
    assert converted == ("grey", "profile")
    assert found[0, 0].tolist() == pytest.approx([(1.055 * (100 / 255) ** (1 / 2.4) - 0.055) * 255] * 3, abs=1.5)
    with pytest.raises(UserError, match="got a profile for L with an image in RGB"):
        decoded(stripes(), icc_profile=grey_profile(1.0))


def test_a_png_with_a_gamma_of_its_own_is_refused_and_that_of_srgb_is_read():
    row = bytes([10, 20, 30] * 4)
    for gamma, fits in ((45455, True), (100000, False)):
        content = png(8, 2, [row], chunk(b"gAMA", struct.pack(">I", gamma)))
        if fits:
            assert images.decode(content, Path("x"), "test").converted == ()
        else:
            with pytest.raises(UserError, match="expected sRGB or an embedded profile, got a gamma of 1 in x"):
                images.decode(content, Path("x"), "test")
    places = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    with pytest.raises(UserError, match="got primary colours of its own"):
        images.decode(png(8, 2, [row], chunk(b"cHRM", places)), Path("x"), "test")
    known = (chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">I", 100000)))
    assert images.decode(png(8, 2, [row], *known), Path("x"), "test").converted == ()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "MPO"])
def test_several_pictures_in_one_file_are_refused(kind):
    second = stripes().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    with pytest.raises(UserError, match="expected one picture, got 2 in one file in x; save the one that is meant"):
        decoded(stripes(), kind, save_all=True, append_images=[second])


def test_the_small_picture_behind_a_photograph_of_a_phone_is_left_out(tmp_path):
    large, small = stripes().resize((64, 64)), Image.new("L", (32, 32), 9)
    large.save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[small], quality=100)
    found = images.decode((tmp_path / "phone.jpg").read_bytes(), Path("x"), "test")
    assert found.converted == ("auxiliary picture",)
    np.testing.assert_allclose(pixels(found.image), pixels(large), atol=40)
    with Image.open(tmp_path / "phone.jpg") as opened:
        for _ in range(2):
            again = shown(opened, "test")
            assert again.converted == ("auxiliary picture",)
            np.testing.assert_array_equal(pixels(again.image), pixels(found.image))


def test_cmyk_palette_and_other_modes():
    assert decoded(stripes().convert("CMYK"), "JPEG")[1] == ("cmyk",)
    found, converted = decoded(stripes().quantize(4))
    np.testing.assert_array_equal(found, pixels(stripes()))
    assert converted == ("palette",)
    assert shown(stripes().convert("HSV"), "test").converted == ("hsv",)
    with pytest.raises(UserError, match="expected an RGB, grey or CMYK image, got mode LAB; convert it to RGB"):
        shown(Image.new("LAB", (2, 2)), "test")


def test_an_image_that_pillow_opened_meets_the_rules_for_files(tmp_path):
    stripes().save(tmp_path / "x.tiff")
    said = "expected a JPEG, PNG, WEBP, BMP image, got TIFF; convert the image"
    with Image.open(tmp_path / "x.tiff") as tiff, pytest.raises(UserError, match=said):
        taken(tiff)
    rgba = stripes().convert("RGBA")
    rgba.putalpha(0)
    with pytest.warns(Notice, match="image: converted to what a person sees: alpha"):
        assert taken(rgba).images.unique().tolist() == pytest.approx([GREY / 255])
    rgba.save(tmp_path / "clear.png")
    with pytest.warns(Notice, match=r"image, .*clear.png: converted to what a person sees: alpha"):
        assert taken(tmp_path / "clear.png").images.unique().tolist() == pytest.approx([GREY / 255])


def test_nights_and_bapps_keep_the_decoding_of_their_programs(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    rgba = stripes().convert("RGBA")
    rgba.putalpha(0)
    rgba.save(tmp_path / "x.png", exif=exif, icc_profile=matrix_profile("adobe", 1.0))
    np.testing.assert_array_equal(
        np.asarray(original.decode((tmp_path / "x.png").read_bytes(), tmp_path / "x.png", "test")), pixels(stripes())
    )
    path = (tmp_path / "x.png").resolve()
    assert inspected([(path, "test")], original=True)[path].converted == ()
    assert inspected([(path, "test")])[path].converted == ("orientation", "profile", "alpha")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_a_damaged_exif_says_nothing(kind):
    assert decoded(stripes(), kind, exif=b"Exif\0\0XX*\0\0\0\0\x08" + b"\xff" * 40)[1] == ()


def table(tmp_path: Path, trees) -> Path:
    file = trees.csv_tree(tmp_path, [0, 1])
    for name in ("0", "0_left"):
        image = Image.open(tmp_path / f"img/{name}.png").convert("RGBA")
        image.putalpha(100)
        image.save(tmp_path / f"img/{name}.png")
    rows = file.read_text().replace("img/1.png", "img/0.png")
    file.write_text(rows)
    return file


def test_each_file_counts_once_and_the_count_outlives_the_cache(tmp_path, trees, monkeypatch):
    file = table(tmp_path, trees)
    monkeypatch.setattr(inventory, "_SETTLED_NS", -(10**18))
    assert conversions(csv_table(str(file)).entries) == {"alpha": 2}
    monkeypatch.setattr(images, "decode", lambda *_: pytest.fail("read again"))
    assert conversions(csv_table(str(file)).entries) == {"alpha": 2}
    assert conversions(csv_table(str(file)).entries[1:]) == {"alpha": 1}


def test_a_damaged_cache_is_not_believed(tmp_path, trees, monkeypatch):
    file = table(tmp_path, trees)
    monkeypatch.setattr(inventory, "_SETTLED_NS", -(10**18))
    digest = csv_table(str(file)).sha256
    kept = inventory.cache_file().read_text()
    for wrong in (
        kept.replace('["alpha"]', '"alpha"'),
        kept.replace('["alpha"]', "[7]"),
        kept.replace('["alpha"]', "[], 1"),
    ):
        inventory.cache_file().write_text(wrong)
        found = csv_table(str(file))
        assert (found.sha256, conversions(found.entries)) == (digest, {"alpha": 2})


def test_a_folder_counts_too(tmp_path):
    stripes().save(tmp_path / "a.png")
    Image.new("L", (4, 4), 9).save(tmp_path / "b.png")
    assert conversions(image_folder(str(tmp_path)).entries) == {"grey": 1}


needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases beside the project are not here")


@needs_cases
def test_the_cases_beside_the_project():
    phone, edited = (images.read_image(CASES / "orientation" / name, "x") for name in ("phone.jpg", "edited.png"))
    assert (phone - edited).norm().item() == pytest.approx(10.7, abs=0.1)
    opaque, gone = (images.read_image(CASES / "alpha" / name, "x") for name in ("opaque.png", "gone.png"))
    assert (opaque - gone).norm() > 1
    for name in (f"{kind}{channels}.png" for kind in ("flat", "ramp") for channels in range(1, 5)):
        with pytest.raises(UserError, match="expected 8 bits a channel"):
            images.read_image(CASES / "sixteen-bit" / name, "x")


def test_hidden_colours_do_not_count(tmp_path):
    for name, colour in (("a", RED), ("b", BLUE)):
        image = Image.new("RGBA", (9, 9), (*colour, 0))
        image.paste((5, 6, 7, 255), (2, 2, 5, 5))
        image.save(tmp_path / f"{name}.png")
    first, second = (images.read_image(tmp_path / f"{name}.png", "x") for name in "ab")
    assert (first == second).all()


def test_a_png_that_says_its_orientation_behind_the_pixels():
    exif = Image.Exif()
    exif[0x0112] = 3
    row = bytes([*RED, *RED, *BLUE, *BLUE])
    content = png(8, 2, [row])
    late = content[:-12] + chunk(b"eXIf", exif.tobytes()[6:]) + content[-12:]
    assert np.asarray(images.decode(late, Path("x"), "test").image)[0, 0].tolist() == list(BLUE)


@pytest.mark.parametrize("read", [images.decode, original.decode])
def test_a_png_whose_checksum_fails_is_refused(read, tmp_path):
    path = tmp_path / "a.png"
    stripes().save(path)
    whole = path.read_bytes()
    read(whole, path, "here")
    start = whole.index(b"IDAT")
    end = start + 4 + int.from_bytes(whole[start - 4 : start], "big")
    damaged = whole[:end] + bytes([whole[end] ^ 1]) + whole[end + 1 :]
    with pytest.raises(UserError, match=r"here: expected a whole .* image, got .* \(the checksum of its part IDAT"):
        read(damaged, path, "here")


def deep(colour: int = 2, channels: int = 3) -> bytes:
    return png(16, colour, [bytes(range(8 * channels))], width=4)


def test_a_png_that_pillow_read_from_a_stream_hides_its_depth_and_is_refused(tmp_path):
    image = Image.open(io.BytesIO(deep()))
    image.load()
    with pytest.raises(UserError, match=r"^here: expected a PNG whose bits .* read from a stream; give the path"):
        taken(image, "here")
    (tmp_path / "deep.png").write_bytes(deep())
    with Image.open(tmp_path / "deep.png") as opened:
        opened.load()
    with pytest.raises(UserError, match="here: expected 8 bits a channel, got 16"):
        taken(opened, "here")
    eight = Image.open(io.BytesIO(png(8, 2, [bytes(12)])))
    assert taken(eight).images.sum() == 0  # a fresh one
    assert taken(eight.copy()).images.sum() == 0  # what the sentence offers, once it is read


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_are_refused_as_the_original_programs_read_too(colour, channels):
    with pytest.raises(UserError, match="here: expected 8 bits a channel, got"):
        original.decode(deep(colour, channels), Path("x"), "here")


@pytest.mark.parametrize("colour", [[9, 16, 0, 1], [9, 13, 0, 1], [1, 13, 0, 0], [12, 13, 0, 1], [1]])
def test_other_colours_than_srgb_in_a_cicp_chunk_are_refused(colour):
    row = bytes(range(13))
    same = png(8, 2, [row[:12]], chunk(b"cICP", bytes([1, 13, 0, 1])))
    assert np.array_equal(images.decode(same, Path("x"), "").image, np.arange(12, dtype=np.uint8).reshape(1, 4, 3))
    other = png(8, 2, [row[:12]], chunk(b"cICP", bytes(colour)))
    with pytest.raises(UserError, match=f"here: expected the colours of sRGB, got a cICP chunk of {colour[0]}"):
        images.decode(other, Path("x"), "here")
    with pytest.raises(UserError, match="cICP"):
        taken(Image.open(io.BytesIO(other)))


@pytest.mark.parametrize("read", [images.decode, original.decode])
def test_a_palette_that_ends_before_a_pixel_or_is_missing_is_refused(read):
    whole = png(8, 3, [b"\0\1\1\0"], chunk(b"PLTE", bytes(6)))
    read(whole, Path("x"), "here")
    short = png(8, 3, [b"\0\1\2\0"], chunk(b"PLTE", bytes(6)))
    with pytest.raises(UserError, match=r"here: .* \(a pixel has colour 2 of a palette that ends at 1"):
        read(short, Path("x"), "here")
    with pytest.raises(UserError, match=r"here: expected a whole .* image"):
        read(png(8, 3, [b"\0\1\2\0"]), Path("x"), "here")


def test_a_profile_that_cannot_be_unpacked_is_refused():
    content = png(8, 2, [bytes(12)], chunk(b"iCCP", b"name\0\0no zlib"))
    with pytest.raises(UserError, match="here: expected a whole colour profile, got a damaged one in x; save"):
        images.decode(content, Path("x"), "here")


@pytest.mark.parametrize("error", [IndexError, KeyError, OverflowError, RecursionError, zlib.error, AssertionError])
def test_whatever_a_decoder_ends_by_is_one_sentence(error):
    def ends(*_: object) -> None:
        raise error

    with pytest.raises(UserError, match=f"here: expected a whole .* got x .*{error.__name__}.*; replace the file"):
        images.whole(png(8, 2, [bytes(12)]), Path("x"), "here", ends)


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_an_image_without_pixels_is_refused(size):
    with pytest.raises(UserError, match=f"here: expected at least one pixel, got {size[0]} x {size[1]}; give another"):
        taken(Image.new("RGB", size), "here")


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000, "a\0b"])
def test_a_name_that_no_system_takes_is_one_sentence(name, tmp_path):
    with pytest.raises(UserError, match=r"^row 7: expected a file at .*; check the path"):
        images.read_bytes(tmp_path / name, "row 7")
