"""Nested dropout of levels: what the decoder sees, and how often."""

from __future__ import annotations

import pytest
import torch

from model.latents import Latents
from model.training.hiding import FAINT, Hiding

SIZES = ((4, 32), (8, 16), (16, 8))


@pytest.fixture
def latents() -> Latents:
    generator = torch.Generator().manual_seed(0)
    return Latents(
        tuple(
            torch.nn.functional.layer_norm(torch.randn(3000, *size, generator=generator), size[1:])
            for size in SIZES
        )
    )


def hidden_levels(seen: Latents) -> torch.Tensor:
    """Which levels of which shapes are faint."""
    sizes = torch.stack([level.square().mean(dim=(1, 2)) for level in seen.levels], dim=1)
    return sizes < 0.5


def test_by_default_nothing_is_hidden_and_nothing_drawn(latents: Latents) -> None:
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    assert Hiding()(latents, generator) is latents
    assert torch.equal(generator.get_state(), before)


def test_a_hidden_shape_keeps_its_coarser_levels_as_they_are(latents: Latents) -> None:
    seen = Hiding(hide_finer=0.6)(latents, torch.Generator().manual_seed(1))
    hidden = hidden_levels(seen)
    assert not hidden[:, 0].any()  # the coarsest stays
    assert (hidden[:, 1] <= hidden[:, 2]).all()  # a level is hidden with all that are finer
    for index, level in enumerate(seen.levels):
        assert torch.equal(level[~hidden[:, index]], latents.levels[index][~hidden[:, index]])


def test_levels_are_hidden_as_often_as_asked(latents: Latents) -> None:
    hidden = hidden_levels(Hiding(hide_finer=0.6)(latents, torch.Generator().manual_seed(1)))
    assert hidden[:, 2].float().mean() == pytest.approx(0.6, abs=0.03)
    assert hidden[:, 1].float().mean() == pytest.approx(0.3, abs=0.03)


def test_what_stands_in_a_hidden_level_says_nothing_of_the_shape(latents: Latents) -> None:
    one = Hiding(1.0)(latents, torch.Generator().manual_seed(1)).levels[-1]
    other = Latents((*latents.levels[:-1], -latents.levels[-1]))
    assert torch.equal(Hiding(1.0)(other, torch.Generator().manual_seed(1)).levels[-1], one)
    assert one.std() == pytest.approx(FAINT, rel=0.02)


def test_noise_leaves_kept_latents_standardised(latents: Latents) -> None:
    seen = Hiding(latent_noise=0.5)(latents, torch.Generator().manual_seed(1))
    for before, after in zip(latents.levels, seen.levels, strict=True):
        assert after.std() == pytest.approx(1, abs=0.02)
        share = 1 - (before * after).mean(dim=(1, 2)).square()  # of the variance that is noise
        assert share.mean() == pytest.approx(0.5**2 / 3, abs=0.01)


@pytest.mark.parametrize("name", ["hide_finer", "latent_noise"])
def test_shares_outside_of_0_to_1_are_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Hiding(**{name: 1.5})
