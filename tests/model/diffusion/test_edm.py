from __future__ import annotations

import pytest
import torch

from model.config import DenoiserConfig
from model.diffusion.conditions import Conditions
from model.diffusion.denoiser import Denoiser
from model.diffusion.edm import SIGMA_MAX, SIGMA_MIN, denoise, edm_loss, noise_levels


def denoiser(coarser: tuple[int, ...] = ()) -> Denoiser:
    torch.manual_seed(0)
    return Denoiser(DenoiserConfig(64, 2), 4, coarser, categories=3)


def conditions(network: Denoiser, batch: int) -> Conditions:
    return network.condition(torch.zeros(batch, dtype=torch.int64), ())


def test_an_untrained_denoiser_shrinks_by_c_skip() -> None:
    # Its output layer starts at zero, so D(x; sigma) = x / (sigma^2 + 1): best for N(0, 1) data.
    network = denoiser()
    x = torch.randn(2, 5, 4)
    sigma = torch.tensor([0.5, 3.0])
    expected = x / (sigma.square() + 1)[:, None, None]
    torch.testing.assert_close(denoise(network, x, sigma, conditions(network, 2)), expected)


def test_the_loss_of_the_best_guess_for_normal_data_is_one() -> None:
    # E[weight * error] = (s^2 + 1) / s^2 * s^2 / (s^2 + 1) = 1 for N(0, 1) data at every sigma.
    network = denoiser()
    data = torch.randn(4000, 4, 4)
    loss = edm_loss(network, data, conditions(network, 4000), torch.Generator().manual_seed(1))
    assert float(loss.detach()) == pytest.approx(1.0, abs=0.02)


def test_noise_levels_fall_from_sigma_max_to_zero() -> None:
    sigmas = noise_levels(18)
    assert len(sigmas) == 19
    assert float(sigmas[0]) == pytest.approx(SIGMA_MAX)
    assert float(sigmas[-2]) == pytest.approx(SIGMA_MIN)
    assert sigmas[-1] == 0
    assert (sigmas.diff() < 0).all()


def test_coarser_latents_and_category_change_the_output() -> None:
    network = denoiser(coarser=(6,))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    x, sigma, coarse = torch.randn(1, 5, 4), torch.ones(1), torch.randn(1, 3, 6)
    zero, one = torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.int64)
    base = denoise(network, x, sigma, network.condition(zero, (coarse,)))
    assert not torch.allclose(base, denoise(network, x, sigma, network.condition(one, (coarse,))))
    assert not torch.allclose(base, denoise(network, x, sigma, network.condition(zero, (-coarse,))))
    swapped = network.condition(zero, (coarse.flip(1),))  # a set has no order
    torch.testing.assert_close(base, denoise(network, x, sigma, swapped), atol=1e-5, rtol=1e-5)
