"""For every test: shapes are checked as annotated, nobody touches torch's global generator or the network.

At which calls shapes are checked is said in sampled_shapes.py.
"""

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from jaxtyping import install_import_hook

# Test modules import helpers such as `oracles` from here; they have no package to share them through.
sys.path.insert(0, str(Path(__file__).parent))

# `sampled_shapes` replaces the decorator that the hook below puts on functions, so it comes before any import of ours.
pytest_plugins = ["loaded_once", "sampled_shapes", "rendered_once"]

# Packages of their own, tested where they are installed (test_plugin.py, test_hostile.py).
collect_ignore = ["plugin", "hostile"]

# Before anything of ours is imported: the annotated shapes are checked in the tests.
_ROOT = Path(__file__).parents[1]
_PACKAGES = ("core", "metrics", "attacks", "certifiers", "tasks")
# Modules that name no shape are left to mypy: reading code and names through the hook took a sixth of all time.
_SHAPES = re.compile(r"^ *(import|from) (torch|jaxtyping|perceptbench\.core\.tensors)\b", re.MULTILINE)
_CHECKED = [
    ".".join(("perceptbench", *path.relative_to(_ROOT).with_suffix("").parts))
    for package in _PACKAGES
    for path in sorted((_ROOT / package).rglob("[a-z]*.py"))
    if _SHAPES.search(path.read_text(encoding="utf-8"))
]
install_import_hook(_CHECKED, "beartype.beartype")

# benchmarks/ is no part of the package. The folder of the repository is not searched for it: there every folder of
# the package would be found a second time, under a second name.
_BENCHMARKS = importlib.util.spec_from_file_location("benchmarks", _ROOT / "benchmarks" / "__init__.py")
assert _BENCHMARKS is not None
sys.modules["benchmarks"] = importlib.util.module_from_spec(_BENCHMARKS)

# Nothing is fetched. Tests that want real weights ask for them (originals.py): with them at hand every attacked image
# of every other test would go through LPIPS too.
os.environ.setdefault("PERCEPTBENCH_OFFLINE", "1")

import pytest  # noqa: E402
import torch  # noqa: E402


@pytest.fixture(autouse=True)
def global_generator_untouched() -> Iterator[None]:
    """Random numbers come from generators handed in; the global one belongs to the user."""
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(torch.random.get_rng_state(), before), "the test changed torch's global random state"


@pytest.fixture(autouse=True)
def hashes_of_this_test(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of files made for a test are not recorded among those of the user's weights, nor for another test."""
    kept = tmp_path_factory.getbasetemp() / "hashes" / uuid4().hex / "hashes.json"
    monkeypatch.setattr("perceptbench.core.fetch.hashes.store", lambda: kept)
    monkeypatch.setattr("perceptbench.triplets.inventory.cache_file", lambda: kept.with_name("images.json"))
