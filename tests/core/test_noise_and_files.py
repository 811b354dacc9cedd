"""Random numbers that belong to a sample; files that are whole or not there."""

from pathlib import Path

import pytest
import torch

from perceptbench.core.files import write_atomically
from perceptbench.core.noise import Noise, forked_rng


@pytest.mark.parametrize("draw", ["normal", "uniform"])
def test_the_same_numbers_whatever_the_batch(draw: str) -> None:
    together = getattr(Noise.make(3, ("a", "b", "c")), draw)(torch.zeros(3, 2, 4))
    shuffled = getattr(Noise.make(3, ("c", "a")), draw)(torch.zeros(2, 2, 4))
    assert torch.equal(shuffled, together[[2, 0]])
    assert len(together.flatten().unique()) == together.numel()
    assert not torch.equal(getattr(Noise.make(4, ("a",)), draw)(torch.zeros(1, 2, 4)), together[:1])


def test_selected_sources_go_on_where_they_stood() -> None:
    whole, part = Noise.make(0, ("a", "b", "c")), Noise.make(0, ("a", "b", "c"))
    whole.normal(torch.zeros(3, 2))
    part.normal(torch.zeros(3, 2))
    some = part.select(torch.tensor([2, 0]))
    assert some.ids == ("c", "a")
    assert torch.equal(some.normal(torch.zeros(2, 2)), whole.normal(torch.zeros(3, 2))[[2, 0]])


def test_streams_are_independent_and_repeatable() -> None:
    noise, like = Noise.make(0, ("a", "b")), torch.zeros(2, 8)
    first = noise.stream("x").normal(like)
    noise.normal(like)
    assert torch.equal(noise.stream("x").normal(like), first)
    others = [noise.stream("y"), noise.stream("x").stream("x"), Noise.make(1, ("a", "b")).stream("x")]
    assert all(not torch.equal(other.normal(like), first) for other in others)
    assert torch.equal(noise.select(torch.tensor([1])).stream("x").normal(like[:1]), first[1:])


def test_names_are_told_apart_from_their_neighbours() -> None:
    one, two = (Noise.make(1, ("a",), label).uniform(torch.zeros(1, 4)) for label in ("1", "11"))
    assert not torch.equal(one, two)


def test_numbers_have_the_type_and_the_law_asked_for() -> None:
    noise = Noise.make(0, ("a",))
    assert noise.normal(torch.zeros(1, 3, dtype=torch.float64)).dtype == torch.float64
    uniform, normal = noise.uniform(torch.zeros(1, 4000)), noise.normal(torch.zeros(1, 4000))
    assert 0 <= uniform.min() < 0.01 < 0.99 < uniform.max() < 1
    assert normal.mean().abs() < 0.06
    assert (normal.std() - 1).abs() < 0.06


def test_forked_generator_is_seeded_inside_and_untouched_outside() -> None:
    before = torch.random.get_rng_state()
    drawn = []
    for seed in (1, 1, 2):
        with forked_rng(seed):
            drawn.append(torch.rand(4))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_file_is_written_whole_into_new_folders(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    write_atomically(path, lambda part: part.write_text("one"))
    write_atomically(path, lambda part: part.write_text("two"))
    assert path.read_text() == "two"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(part: Path) -> None:
        assert part != path
        assert part.parent == path.parent
        part.write_text("half")
        assert path.read_text() == "old"
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
