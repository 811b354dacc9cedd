"""Runs on disk that were changed by hand, with a seal made anew, so that the checks behind the seal are met."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from perceptbench.results.saved_images import image_files
from perceptbench.results.seal import digests, sealed


def edit_record(folder: Path, change: Callable[[dict[str, Any]], object], *, seal: bool = True) -> None:
    """Change what record.json holds."""
    path = folder / "record.json"
    header = json.loads(path.read_text())
    change(header)
    path.write_text(json.dumps(header))
    if seal:
        reseal(folder)


def edit_samples(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame], *, seal: bool = True) -> None:
    """Change the samples."""
    path = folder / "samples.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    if seal:
        reseal(folder)


def reseal(folder: Path) -> None:
    """As a forger would; nothing for a record without a seal."""
    path = folder / "record.json"
    header = json.loads(path.read_text())
    if header.pop("seal", None):
        path.write_text(json.dumps(sealed(header, folder, digests(folder, image_files(folder)))))
