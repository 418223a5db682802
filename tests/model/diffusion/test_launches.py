from __future__ import annotations

import pytest
import torch

from model.config import PRESETS
from model.device import steady_products
from model.diffusion.denoiser import Denoiser
from model.diffusion.edm import denoise
from model.diffusion.launches import Recorded

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@torch.inference_mode()
@pytest.mark.parametrize("reduced", [False, True])
def test_a_recorded_denoiser_is_the_denoiser_at_every_noise_level(reduced: bool) -> None:
    cascade = PRESETS["starter"].cascade
    assert cascade is not None
    torch.manual_seed(0)
    with torch.device("cuda"):
        network = Denoiser(cascade.denoisers[0], 16, [32], 3)
        coarser, xs = torch.randn(2, 32, 32), torch.randn(4, 2, 128, 16)
        category = torch.tensor([0, 2])
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.5 / parameter.shape[-1] ** 0.5)
    with torch.autocast("cuda", torch.bfloat16, enabled=reduced), steady_products():
        conditions = network.condition(category, [coarser])

        def plain(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            return denoise(network, x, sigma, conditions)

        recorded = Recorded(plain)
        sigmas = [torch.full((2,), level, device="cuda") for level in (80.0, 5.0, 0.7, 0.002)]
        made = [recorded(x, sigma) for x, sigma in zip(xs, sigmas, strict=True)]
        for x, sigma, D in zip(xs, sigmas, made, strict=True):
            assert torch.equal(D, plain(x, sigma))
