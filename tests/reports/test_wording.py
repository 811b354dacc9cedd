"""Names without folders, budgets as people write them."""

from perceptbench.reports.wording import eps_axis, eps_text, file_stem, labels, score_name, table_stem


def test_folders_of_files_are_left_out() -> None:
    names = ["nights:/data/nights@test", "lipsim:weights/best.safetensors", "l2-aa(steps=5)", "photos"]
    assert list(labels(names).values()) == ["nights:nights@test", "lipsim:best.safetensors", "l2-aa(steps=5)", "photos"]


def test_names_that_would_be_one_stay_apart() -> None:
    assert list(labels(["lipsim:a/w", "lipsim:b/w", "lipsim:b/w"]).values()) == ["lipsim:a/w", "lipsim:b/w"]


def test_budgets() -> None:
    assert [eps_text(eps) for eps in (2.0, 0.5, 36 / 255, 0.2, 8 / 255, 1 / 7)] == [
        "2", "0.5", "36/255", "0.2", "8/255", "0.1429",
    ]  # fmt: skip


def test_file_names_cannot_leave_the_folder() -> None:
    assert file_stem("nights:../../x@test") == "nights-x-test"
    assert file_stem("/") == "unnamed"


def test_threats_that_are_balls_are_written_as_norms_and_others_in_their_own_words() -> None:
    assert eps_axis("linf", "any") == "eps, l-infinity norm over all pixels in [0, 1]"
    assert eps_axis(None, "pixels") == "eps, pixels"
    assert table_stem("attacked", "preference", "l2", "nights:x@test") == "attacked_l2_nights-x-test"
    assert table_stem("attacked", "pairs(tau=0.3)", "shift(step=2)", "d") == "attacked_pairs-tau-0-3_shift-step-2_d"
    assert [score_name(task) for task in ("preference", "pairs")] == ["2AFC score", "pairs score"]
