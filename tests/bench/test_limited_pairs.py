"""A threshold is found on all pairs of its half, however few of the others are attacked."""

from perceptbench.results.store import RunStore

WORDS = ("certify", "--task", "matching", "--metric", "l2", "--data", "copies(others=4)", "--edit", "jpeg:30",
         "--fpr", "0.2", "--eps", "1")  # fmt: skip


def test_limit_leaves_the_threshold_as_it_is(bench, tmp_path):
    found = {}
    for limit in (None, 6):
        bench(*WORDS, *(("--limit", limit) if limit else ()), "--runs", tmp_path / str(limit))
        (found[limit],) = RunStore(tmp_path / str(limit)).select()
    whole, some = found[None], found[6]
    assert some.facts["state"] == whole.facts["state"]
    assert some.facts["state"]["calibration_pairs"] >= 15
    assert some.samples["id"].nunique() == 6 < whole.samples["id"].nunique()
    assert some.run != whole.run


def test_too_few_pairs_are_refused_whatever_the_limit(bench, tmp_path):
    refused = {
        bench.refusal(*WORDS[:-4], "--fpr", "0.001", *WORDS[-2:], *more, "--runs", tmp_path)
        for more in ((), ("--limit", 6))
    }
    assert len(refused) == 1
    assert "wants at least 3000 different pairs" in refused.pop()
