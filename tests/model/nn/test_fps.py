from __future__ import annotations

import pytest
import torch

from model.nn.fps import farthest_point_sampling, sample_step_by_step

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"  # without a GPU Triton's interpreter


def test_points_on_a_line_are_taken_ends_first() -> None:
    line = torch.tensor([0.0, 1.0, 2.0, 3.0, 10.0])[None, :, None].expand(1, 5, 3)
    assert farthest_point_sampling(line, 4).tolist() == [[0, 4, 3, 1]]


def test_a_prefix_is_a_shorter_run() -> None:
    cloud = torch.rand(2, 200, 3)
    assert torch.equal(
        farthest_point_sampling(cloud, 50)[:, :20], farthest_point_sampling(cloud, 20)
    )


def test_more_points_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot sample 6 points out of 5"):
        farthest_point_sampling(torch.rand(1, 5, 3), 6)


def test_the_kernel_of_a_gpu_takes_the_same_points() -> None:
    kernel = pytest.importorskip("model.nn.fps_kernel", reason="Triton is for Linux")
    clouds = torch.randn(3, 300, 3, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    same = kernel.sample(clouds, 40) == sample_step_by_step(clouds, 40)
    assert same.float().mean() > 0.95  # sums round otherwise, and a tie may fall the other way
