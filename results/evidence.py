"""The evidence that one run gives about each of its samples: its name, its clean row, and what broke it."""

import pandas as pd

from perceptbench.results.record import Record, part


def sample_names(record: Record) -> pd.Series:
    """What identifies each sample, by id: its content, or in older runs the data and its id."""
    first = clean_rows(record.samples)
    data = part(record, "data") or record.spec["data"]
    names = [content or f"{data} {name}" for name, content in zip(first["id"], first["content"], strict=True)]
    return pd.Series(names, index=first["id"].to_numpy())


def clean_rows(samples: pd.DataFrame) -> pd.DataFrame:
    """One row a sample: that of the smallest eps."""
    return samples.sort_values("eps", kind="stable").drop_duplicates("id").reset_index(drop=True)


def counted(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples that count: those whose images the metric answers for (`usable`, where a task has that column)."""
    return samples[samples["usable"]] if "usable" in samples else samples


def right_before(samples: pd.DataFrame) -> pd.Series:
    """Whether the answer was right before any attack, by id: it stood at some eps, or something broke it."""
    held = samples["correct"] if "correct" in samples else samples["robust"] | (samples["broken_by"] != "")
    return held.groupby(samples["id"]).any()


def flips_of(record: Record) -> pd.Series:
    """The size of the change that broke each sample, by name: at the first eps where one did."""
    samples = record.samples
    lost = clean_rows(samples[~samples["robust"]])
    lost = lost[right_before(samples).reindex(lost["id"]).to_numpy(dtype=bool)]
    return lost.assign(name=sample_names(record).reindex(lost["id"]).to_numpy()).groupby("name")["size"].min()
