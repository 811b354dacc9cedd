"""Pictures inside the page, as data URIs."""

import base64
import io

from PIL import Image

from reports.base import Picture, Sheet

FLIPPED = 2
"""The first columns of a sheet, the image before and after, are kept bit by bit: what the attack did is in them."""

_QUALITY = 85


def sheet_rows(sheet: Sheet) -> list[list[tuple[str, Picture, str]]]:
    """(column, picture, data URI) of every picture there is, row by row."""
    return [
        [
            (sheet.columns[i], picture, data_uri(picture, lossless=i < FLIPPED))
            for i, picture in enumerate(row)
            if picture is not None
        ]
        for row in sheet.rows
    ]


def data_uri(picture: Picture, lossless: bool) -> str:
    """A picture as WebP in base64: the same bytes for the same pixels and Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels, "RGB").save(buffer, "WEBP", lossless=lossless, quality=_QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
