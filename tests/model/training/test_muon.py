"""Muon in batches of one shape against the library's, matrix by matrix."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from model.training.muon import BatchedMuon, orthogonalized

SHAPES = [(96, 96), (192, 96), (96, 160), (96, 96), (192, 96)]  # square, tall and wide


def _matrices() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def _steps(optimizer: torch.optim.Optimizer, matrices: list[nn.Parameter], count: int) -> None:
    for step in range(count):
        generator = torch.Generator().manual_seed(1 + step)
        for matrix in matrices:
            matrix.grad = torch.randn(matrix.shape, generator=generator)
        optimizer.step()


def test_updates_are_those_of_the_library() -> None:
    begun, ours, theirs = _matrices(), _matrices(), _matrices()
    _steps(BatchedMuon(ours, lr=0.1, weight_decay=0.05), ours, 4)
    reference = torch.optim.Muon(theirs, lr=0.1, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    _steps(reference, theirs, 4)
    for before, mine, library in zip(begun, ours, theirs, strict=True):
        moved = (library - before).norm()
        assert moved > 1
        assert (mine - library).norm() < 0.01 * moved  # bfloat16 iterations


def test_a_state_of_the_library_goes_on() -> None:
    ours, theirs = _matrices(), _matrices()
    options = {"lr": 0.1, "weight_decay": 0.0}
    library = torch.optim.Muon(theirs, adjust_lr_fn="match_rms_adamw", **options)
    _steps(library, theirs, 3)
    for mine, matrix in zip(ours, theirs, strict=True):
        mine.data.copy_(matrix.data)
    resumed = BatchedMuon(ours, **options)
    resumed.load_state_dict(copy.deepcopy(library.state_dict()))
    _steps(resumed, ours, 1)
    _steps(library, theirs, 1)
    for mine, matrix in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, matrix, rtol=0, atol=1e-3)


def test_a_matrix_without_gradient_is_left_alone() -> None:
    frozen, trained = (nn.Parameter(torch.eye(80)) for _ in range(2))
    trained.grad = torch.randn(80, 80)
    BatchedMuon([frozen, trained], lr=0.1, weight_decay=0.1).step()
    assert torch.equal(frozen, torch.eye(80))
    assert not torch.equal(trained, torch.eye(80))


def test_singular_values_come_near_one() -> None:
    matrices = torch.randn(3, 60, 90, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalized(matrices, steps=5).float())
    assert 0.5 < values.min() < values.max() < 1.5


def test_a_closure_is_refused() -> None:
    with pytest.raises(ValueError, match="takes no closure"):
        BatchedMuon(_matrices(), lr=0.1, weight_decay=0.0).step(lambda: 0.0)
