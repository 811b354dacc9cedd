"""The folder that an inversion is kept in: page, sheets, numbers, record and images, written whole and then renamed."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.files import replaced_when_whole, write_atomically
from perceptbench.reports.base import Sheet
from perceptbench.reports.formats import html, markdown
from perceptbench.reports.formats.png_pdf import save
from perceptbench.reports.inverted import FoundImage, Inverted, document, lines_csv
from perceptbench.reports.wording import distinct, file_stem


def write(inverted: Inverted, record: Mapping[str, Any], to: Path) -> list[Path]:
    """Write the files of an inversion into a folder; their paths.

    Raises UserError where it cannot be written to.
    """
    files = _files(inverted, record)
    try:
        with replaced_when_whole(to) as folder:
            for name, content in files.items():
                write_atomically(folder / name, content)
    except OSError as error:
        raise UserError(f"cannot write to {to} ({error.strerror}); choose another folder with --to") from error
    return [to / name for name in files]


def as_pixels(x: Tensor) -> np.ndarray:
    """(3, h, w) in [0, 1] as (h, w, 3) uint8."""
    return (x.numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0)  # type: ignore[no-any-return]


def _files(inverted: Inverted, record: Mapping[str, Any]) -> dict[str, Callable[[Path], object]]:
    """What writes each file, by its name; the record says which image lies where."""
    whole = document(inverted)
    sheets = [block for block in whole.blocks if isinstance(block, Sheet)]
    stems = [f"{one.image + 1:03d}_{file_stem(one.metric)}_{one.start}" for one in inverted.found]
    names = [f"images/{stem}.png" for stem in distinct(stems)]
    kept = zip(inverted.found, names, strict=True)
    said = {**record, "found": [{**_numbers(one, inverted), "file": name} for one, name in kept]}
    texts = {
        "inversion.html": html.files(whole)["report.html"],
        "inversion.md": markdown.files(whole)["report.md"],
        "inversion.csv": lines_csv(inverted),
        "record.json": json.dumps(said, indent=1, allow_nan=False) + "\n",
    }
    return {
        **{name: partial(Path.write_text, data=text, encoding="utf-8") for name, text in texts.items()},
        **{f"{sheet.name}.png": partial(save, sheet, form="png") for sheet in sheets},
        **{name: partial(_png, one.pixels) for one, name in zip(inverted.found, names, strict=True)},
    }


def _numbers(one: FoundImage, inverted: Inverted) -> dict[str, Any]:
    return {
        "image": inverted.names[one.image],
        "metric": one.metric,
        "start": one.start,
        "residual": one.residual,
        "likeness": one.likeness,
    }


def _png(pixels: np.ndarray, to: Path) -> None:
    Image.fromarray(pixels).save(to, "PNG")
