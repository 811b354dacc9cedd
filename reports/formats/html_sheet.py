"""Pictures inside the page, as data URIs."""

import base64
import io

from PIL import Image

from perceptbench.reports.base import Picture, Sheet


def sheet_rows(sheet: Sheet) -> list[list[tuple[str, Picture, str]]]:
    """(column, picture, data URI) of every picture there is, row by row."""
    return [
        [(column, picture, data_uri(picture)) for column, picture in zip(sheet.columns, row, strict=True) if picture]
        for row in sheet.rows
    ]


def data_uri(picture: Picture) -> str:
    """A picture as lossless WebP in base64; lossy ones smear just what an attack did."""
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels, "RGB").save(buffer, "WEBP", lossless=True, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
