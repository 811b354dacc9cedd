"""Rows of a batch are found again from perturbed images of some of them."""

import torch

from benchmarks.row_finder import RowFinder, pooled


def test_rows_are_found_up_to_half_the_smallest_distance() -> None:
    noise = torch.Generator().manual_seed(0)
    clean = torch.rand(6, 3, 1, 1, generator=noise) + torch.rand(6, 3, 64, 64, generator=noise) / 10
    rows = RowFinder(clean)
    # The worst perturbation of a size: straight towards the nearest other image, all of it kept by pooling.
    nearest = (torch.cdist(rows.clean, rows.clean) + torch.eye(6) * 1e9).argmin(1)
    towards = torch.nn.functional.interpolate(
        (pooled(clean)[nearest] - pooled(clean)).view(6, 3, 4, 4), scale_factor=16.0
    )
    towards /= towards.flatten(1).norm(dim=1)[:, None, None, None]
    for subset in ([0], [5, 1], [2, 3, 4], [4, 0, 5, 2], [0, 1, 2, 3, 4, 5]):
        rows.forget()
        assert rows((clean + 0.99 * rows.reach * towards)[subset]).tolist() == subset


def test_a_number_of_rows_is_looked_up_once_in_an_attack() -> None:
    clean = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    rows = RowFinder(clean)
    assert rows(clean[[1, 3]]).tolist() == [1, 3]
    assert rows(torch.zeros(2, 3, 32, 32)).tolist() == [1, 3]
    rows.forget()
    assert rows(clean[[0, 2]]).tolist() == [0, 2]


def test_pooling_lengthens_no_perturbation() -> None:
    delta = torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    assert (pooled(delta).norm(dim=1) <= delta.flatten(1).norm(dim=1)).all()
