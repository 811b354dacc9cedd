"""Which folders make up the package; everything else is in pyproject.toml.

src/perceptbench/ holds links to the folders of the repository, so that an editable install and every tool see one
ordinary package. A zip of the repository, and git on Windows without developer mode, turn links into small text files:
there the same folders are mapped instead.
"""

from pathlib import Path

from setuptools import find_packages, setup

FOLDERS = (
    "core",
    "triplets",
    "metrics",
    "attacks",
    "certifiers",
    "training",
    "results",
    "tasks",
    "reports",
    "bench",
    "testing",
)

if (Path("src") / "perceptbench" / "core").is_dir():
    setup(package_dir={"": "src"}, packages=find_packages("src"))
else:
    inside = [name for name in find_packages() if name.partition(".")[0] in FOLDERS]
    mapped = {f"perceptbench.{name}": name for name in FOLDERS}
    setup(package_dir={"": "src", **mapped}, packages=["perceptbench", *(f"perceptbench.{name}" for name in inside)])
