"""What is declared of the metrics is what is measured, shown and written."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from originals import find_shared_weights
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from perceptbench.bench.cards import all_facts, page
from perceptbench.core.card import About
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import Metric, metric

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ARGUMENTS = {"lipsim-paper": (("untrained_seed", 0),)}
"""What makes a metric that needs no file."""


def test_the_page_is_what_the_generator_makes():
    assert PAGE.read_text() == page(), "run: python -m perceptbench.bench.cards docs/metrics.md"


def test_the_page_knows_nothing_of_this_machine(monkeypatch, tmp_path):
    before = page()
    monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert page() == before


def test_the_list_of_metrics_fits_into_a_hundred_columns_and_says_what_is_known(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("perceptbench.core.fetch.declared._in_package", lambda place: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lines = bench("list", "metrics").splitlines()
    assert max(map(len, lines)) <= 100
    rows = {line.split()[0]: line for line in lines if line[1:2].strip()}
    assert set(metric.names()) <= set(rows)
    assert "2.22 M" in rows["mobilenetv2"]
    assert "no:" in rows["mobilenetv2"]
    assert re.search(r"margin +57\.1 +yes", rows["psnr"])
    assert any("Apache-2.0 / MIT" in line for line in lines)


def test_what_is_not_here_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("perceptbench.core.fetch.declared._in_package", lambda place: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    by_name = {entry.name: entry for entry in all_facts()}
    assert by_name["effnet-lite0"].here == "no: weights"
    assert by_name["l2"].here == by_name["lipsim"].here == "yes"
    assert by_name["py"].here == "with target"
    (tmp_path / "efficientnet-lite0-57934424.pth").write_bytes(b"")
    assert by_name["effnet-lite0"].here == "yes"


def test_who_is_proved_by_what_follows_from_the_classes():
    proved = {entry.name: entry.proved_by for entry in all_facts()}
    assert {name for name, by in proved.items() if by == "margin"} == {"l2", "psnr", "lipsim", "lipsim-paper"}


def _built(name: str) -> tuple[Metric, About]:
    card = metric.card(name)
    ref = Ref(name, None, ARGUMENTS.get(name, ()))
    if metric.inputs(name) or card.about is None:
        pytest.skip("its numbers are those of what the user names")
    if card.missing or (card.absent and not ref.args):
        pytest.skip(f"not on this machine: {card.missing or [file.file for file in card.absent]}")
    return metric.build(ref), card.about


def _networks(thing: object, seen: set[int]) -> Iterator[nn.Module]:
    """The networks a metric holds, however deep."""
    if isinstance(thing, nn.Module):
        yield thing
    elif id(thing) not in seen:
        seen.add(id(thing))
        parts = thing if isinstance(thing, list | tuple) else getattr(thing, "__dict__", {}).values()
        for part in parts:
            yield from _networks(part, seen)


@pytest.mark.parametrize("name", metric.names())
def test_parameters_and_multiply_adds_are_those_declared(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find_shared_weights(monkeypatch, tmp_path)
    subject, about = _built(name)
    parameters = {id(p): p.numel() for net in _networks(subject, set()) for p in net.parameters()}
    # A frozen Lipschitz network has no parameters left: what it computes with are buffers.
    count = sum(parameters.values()) or sum(t.numel() for t in subject.weights())
    assert count / 1e6 == pytest.approx(about.parameters, rel=0.01, abs=1e-3)
    # Large networks get tensors without contents: every operation is counted and none is done.
    counted = FakeTensorMode(allow_non_fake_inputs=True) if about.gmac > 1 else nullcontext()
    with torch.no_grad(), counted:
        image = torch.full((1, 3, 224, 224), 0.5)
        anchors = subject.prepare(image)
        # The fused attention of CPUs is not counted; written out as products of matrices, it is.
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            anchors.distances(image)
    assert counter.get_total_flops() / 2e9 == pytest.approx(about.gmac, rel=0.02, abs=1e-3)
