"""Flips that one run found, in the others: answers set by hand, and counted again from the samples."""

import numpy as np
import pytest

from perceptbench.reports.known_flips import with_known_flips
from perceptbench.reports.tables.attacked import Attacked
from perceptbench.reports.write import write_report


def answered(make_record, run, eps, robust, **options):
    """A run on four triplets, all answered rightly; `robust` has a line an eps."""
    record = make_record(run=run * 12, n=4, natural=1.0, eps=eps, **options)
    record.samples["robust"] = np.ravel(robust).astype(bool)
    return record


def stands(record) -> list[list[bool]]:
    return [frame["robust"].tolist() for _, frame in record.samples.groupby("eps")]


def test_what_fell_at_a_small_eps_has_fallen_at_larger_ones_of_other_runs(make_record) -> None:
    first = answered(make_record, "a", (1.0,), [[0, 0, 1, 1]], certifier=None)
    second = answered(make_record, "b", (0.5, 2.0), [[1, 1, 1, 1], [1, 1, 1, 0]])
    before = second.samples.copy()
    one, two = with_known_flips([first, second])
    assert one is first, "what fell at a larger eps says nothing of a smaller one"
    assert stands(two) == [[1, 1, 1, 1], [0, 0, 1, 0]]
    assert second.samples.equals(before)
    flipped = two.samples[two.samples["eps"] == 2].set_index("id")
    source = first.samples.set_index("id")
    for column in ("size", "d_self"):
        assert flipped.loc["t0", column] == source.loc["t0", column]
        assert flipped.loc["t3", column] == second.samples.set_index(["eps", "id"]).loc[(2.0, "t3"), column]
    assert two.samples.dtypes.equals(second.samples.dtypes)


def test_the_smallest_eps_of_several_runs_counts_and_each_triplet_by_itself(make_record) -> None:
    runs = [
        answered(make_record, "a", (1.0, 4.0), [[0, 1, 1, 1], [0, 1, 1, 1]]),
        answered(make_record, "b", (2.0,), [[1, 0, 1, 1]]),
        answered(make_record, "c", (3.0,), [[1, 1, 0, 1]]),
    ]
    assert [stands(run) for run in with_known_flips(runs)] == [
        [[0, 1, 1, 1], [0, 0, 0, 1]], [[0, 0, 1, 1]], [[0, 0, 0, 1]],
    ]  # fmt: skip


def test_an_equal_eps_is_large_enough(make_record) -> None:
    runs = [answered(make_record, "a", (1.0,), [[0, 1, 1, 1]]), answered(make_record, "b", (1.0, 2.0), [[1] * 4] * 2)]
    assert stands(with_known_flips(runs)[1]) == [[0, 1, 1, 1]] * 2


@pytest.mark.parametrize(
    "other",
    [
        {"metric": "ssim"}, {"data": "nights:x"}, {"attack": "l2-pgd"}, {"norm": "linf"}, {"seed": 1},
        {"restarts": 2}, {"quantize": "8bit"}, {"move": "left"}, {"protocol": "paper"},
    ],
)  # fmt: skip
def test_other_questions_share_no_flips(make_record, other) -> None:
    first, second = answered(make_record, "a", (1.0,), [[0] * 4]), answered(make_record, "b", (2.0,), [[1] * 4])
    first.spec.update(other)
    assert with_known_flips([first, second])[1] is second


@pytest.mark.parametrize("print_", ["code", "data", "weights"])
def test_runs_of_other_code_data_or_weights_share_no_flips(make_record, print_: str) -> None:
    first, second = answered(make_record, "a", (1.0,), [[0] * 4]), answered(make_record, "b", (2.0,), [[1] * 4])
    first.spec["fingerprints"][print_] = "other"
    assert with_known_flips([first, second])[1] is second


def test_a_certificate_brings_code_of_its_own_which_hinders_nothing(make_record) -> None:
    first = answered(make_record, "a", (1.0,), [[0] * 4], certifier=None)
    first.spec["fingerprints"]["code"] = "other"
    second = answered(make_record, "b", (2.0,), [[1] * 4])
    assert stands(with_known_flips([first, second])[1]) == [[0] * 4]


def test_distances_have_no_flips(make_record) -> None:
    runs = [answered(make_record, run, (eps,), [[eps > 1] * 4], unit="distance") for run, eps in (("a", 1), ("b", 2))]
    assert with_known_flips(runs)[1] is runs[1]


def test_no_line_of_a_report_rises_and_it_names_the_runs(make_record, tmp_path) -> None:
    runs = [
        answered(make_record, "a", (0.4,), [[0, 0, 0, 1]], certifier=None),
        answered(make_record, "b", (0.5, 1.0), [[1, 1, 1, 0], [1, 1, 0, 0]], certifier=None),
    ]
    (table,) = Attacked()(runs)
    assert [cell.value for cell in table.rows[0][4:]] == [25, 75, 50], "without what is tested here it rises"
    document = write_report(runs, tmp_path, ["md"])[0].read_text()
    section = document.partition("## 2AFC score after l2 attacks")[2]
    line = next(line for line in section.splitlines() if line.startswith("| lipsim | 4 | l2-aa |"))
    assert [cell.split()[0] for cell in line.strip("| ").split(" | ")[4:]] == ["25.0", "0.0", "0.0"]
    opening = document.partition("##")[0]
    assert f"though these runs did not break them: {'b' * 12}." in opening
