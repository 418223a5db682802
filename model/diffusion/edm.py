"""EDM: preconditioning, loss and noise schedule of Karras et al. 2022 (paper, appendix F).

Latents are standardised (Eq. 6), so sigma_data is 1. Noise levels sigma are standard deviations in
the latents' own units.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from model.diffusion.conditions import Conditions
from model.diffusion.denoiser import Denoiser

SIGMA_DATA = 1.0
SIGMA_MIN, SIGMA_MAX, RHO = 0.002, 80.0, 7.0
P_MEAN, P_STD = -1.2, 1.2  # of ln sigma in training


def denoise(
    network: Denoiser,
    x: Float[Tensor, "b m d"],
    sigma: Float[Tensor, "b"],
    conditions: Conditions,
) -> Float[Tensor, "b m d"]:
    """D(x; sigma, c): the preconditioned denoiser around the network F (EDM, Eq. 7, Table 1)."""
    sigma = sigma[:, None, None]
    total = sigma.square() + SIGMA_DATA**2
    c_skip = SIGMA_DATA**2 / total
    c_out = sigma * SIGMA_DATA * total.rsqrt()
    c_in = total.rsqrt()
    c_noise = sigma.flatten().log() / 4
    F_x: Tensor = network(c_in * x, c_noise, conditions)
    return c_skip * x + c_out * F_x


def edm_loss(
    network: Denoiser,
    latents: Float[Tensor, "b m d"],
    conditions: Conditions,
    generator: torch.Generator,
) -> Float[Tensor, ""]:
    """Weighted denoising error at log-normal noise levels (paper, Eq. 10; EDM, Eq. 8, Table 1)."""
    device = latents.device
    draws = torch.randn(len(latents), generator=generator, device=device)
    sigma = (P_MEAN + P_STD * draws).exp()
    noise = torch.randn(latents.shape, generator=generator, device=device)
    noised = latents + sigma[:, None, None] * noise
    weight = (sigma.square() + SIGMA_DATA**2) / (sigma * SIGMA_DATA).square()
    error = (denoise(network, noised, sigma, conditions) - latents).square().mean(dim=(1, 2))
    return (weight * error).mean()


def noise_levels(steps: int) -> Float[Tensor, "t"]:
    """The sampler's sigmas: `steps` levels from SIGMA_MAX to SIGMA_MIN, then 0 (EDM, Eq. 5)."""
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    high, low = SIGMA_MAX ** (1 / RHO), SIGMA_MIN ** (1 / RHO)
    return torch.cat([(high + ramp * (low - high)) ** RHO, torch.zeros(1)]).float()
