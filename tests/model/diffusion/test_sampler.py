"""Both solvers against targets whose denoiser and solution are known."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from model.config import SolverName
from model.diffusion.edm import SIGMA_MAX, SIGMA_MIN, noise_levels
from model.diffusion.sampler import SOLVERS, Denoise, evaluations, seeded_noise

CENTRES = torch.tensor([[-1.5, 0.5], [1.0, 1.0], [0.5, -1.5]], dtype=torch.float64)
SPREAD = 0.4  # of each Gaussian of the mixture


def mixture(x: Tensor, sigma: Tensor) -> Tensor:
    """D of equal Gaussians around CENTRES: their own D, weighted by how likely each made x."""
    variance = SPREAD**2 + sigma[:, None, None, None].square()
    away = x[..., None, :] - CENTRES
    weights = (-away.square().sum(-1, keepdim=True) / (2 * variance)).softmax(dim=-2)
    return (weights * (CENTRES + SPREAD**2 / variance * away)).sum(dim=-2)


def solved(solver: str, denoise: Denoise, noise: Tensor, steps: int) -> Tensor:
    return SOLVERS[solver](denoise, noise, noise_levels(steps).double(), lambda _: None)


@pytest.fixture(scope="module")
def noise() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(64, 4, 2, generator=generator, dtype=torch.float64)


@pytest.fixture(scope="module")
def fine(noise: Tensor) -> Tensor:
    return solved("heun", mixture, noise, 2000)


def median_error(found: Tensor, truth: Tensor) -> float:
    """The median over tokens: a token that starts between two centres may end at the other one."""
    return float((found - truth).norm(dim=-1).median())


def test_every_solver_of_the_config_is_there() -> None:
    assert tuple(SOLVERS) == SolverName.__args__  # type: ignore[attr-defined]


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_solver_is_of_second_order_on_a_gaussian(solver: str, noise: Tensor) -> None:
    # For data N(0, s^2) the ODE's solution is x(0) = x(T) s / sqrt(s^2 + T^2).
    def gaussian(x: Tensor, sigma: Tensor) -> Tensor:
        return x * (0.7**2 / (0.7**2 + sigma.square()))[:, None, None]

    expected = noise * SIGMA_MAX * 0.7 / math.hypot(0.7, SIGMA_MAX)
    errors = [
        float((solved(solver, gaussian, noise, steps) - expected).abs().max())
        for steps in (18, 36, 72)
    ]
    assert errors[2] < 0.01
    assert errors[0] / errors[1] > 3  # halving the step quarters the error
    assert errors[1] / errors[2] > 3


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_solver_is_of_second_order_on_a_mixture(solver: str, noise: Tensor, fine: Tensor) -> None:
    errors = [
        median_error(solved(solver, mixture, noise, steps), fine) for steps in (32, 64, 128, 256)
    ]
    assert errors[-1] < 1e-3
    for coarse, halved in itertools.pairwise(errors):
        assert coarse / halved > 3


@pytest.mark.parametrize("budget", [15, 23, 35, 63])
def test_multistep_beats_heun_with_as_many_evaluations(
    budget: int, noise: Tensor, fine: Tensor
) -> None:
    heun_steps = (budget + 1) // 2
    assert evaluations("heun", heun_steps) == evaluations("dpm-solver++", budget) == budget
    heun = median_error(solved("heun", mixture, noise, heun_steps), fine)
    multistep = median_error(solved("dpm-solver++", mixture, noise, budget), fine)
    assert multistep < heun / 2


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_single_point_of_data_is_met_exactly(solver: str, noise: Tensor) -> None:
    point = torch.tensor([0.3, -0.2], dtype=torch.float64)
    found = solved(solver, lambda x, _: point.expand_as(x), noise, 2)
    torch.testing.assert_close(found, point.expand_as(noise), atol=1e-12, rtol=0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_last_step_is_the_denoisers_answer(solver: str, noise: Tensor) -> None:
    seen: list[tuple[float, Tensor]] = []

    def watched(x: Tensor, sigma: Tensor) -> Tensor:
        D = mixture(x, sigma)
        seen.append((float(sigma[0]), D))
        return D

    found = solved(solver, watched, noise, 5)
    assert seen[-1][0] == pytest.approx(SIGMA_MIN)
    torch.testing.assert_close(found, seen[-1][1], atol=1e-12, rtol=0)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("steps", [2, 5])
def test_the_denoiser_is_asked_as_often_as_is_said(solver: str, steps: int) -> None:
    asked = 0

    def counted(x: Tensor, sigma: Tensor) -> Tensor:
        nonlocal asked
        asked += 1
        return x * 0

    solved(solver, counted, torch.randn(1, 2, 2), steps)
    assert asked == evaluations(solver, steps)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_step_is_reported(solver: str) -> None:
    done: list[int] = []
    SOLVERS[solver](lambda x, _: x * 0, torch.randn(1, 2, 2), noise_levels(5), done.append)
    assert done == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("solver", SOLVERS)
def test_who_is_told_of_a_step_may_stop_the_work(solver: str) -> None:
    class Stop(Exception):
        pass

    def stop(done: int) -> None:
        if done == 2:
            raise Stop

    asked: list[float] = []

    def watched(x: Tensor, sigma: Tensor) -> Tensor:
        asked.append(float(sigma[0]))
        return x * 0

    with pytest.raises(Stop):
        SOLVERS[solver](watched, torch.randn(1, 2, 2), noise_levels(5), stop)
    assert len(set(asked)) <= 3  # no noise level after the second step's end


def test_noise_depends_on_the_rows_own_seed_alone() -> None:
    device = torch.device("cpu")
    together = seeded_noise([3, 2**64 - 1, 5], 2, 16, 8, device)
    assert torch.equal(seeded_noise([2**64 - 1], 2, 16, 8, device)[0], together[1])
    assert not torch.equal(together[0], together[2])
    assert not torch.equal(seeded_noise([3], 1, 16, 8, device)[0], together[0])
    assert float(seeded_noise([1], 1, 4096, 8, device).std()) == pytest.approx(1, abs=0.02)
