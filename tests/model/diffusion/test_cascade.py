from __future__ import annotations

import pytest
import torch

from model.config import AutoEncoderConfig, CascadeConfig, DenoiserConfig, LevelConfig
from model.diffusion.cascade import Cascade
from model.diffusion.conditions import ConditionAttention, KeysValues
from model.diffusion.sampler import SOLVERS
from model.latents import Latents

LEVELS = (LevelConfig(4, 6, 1), LevelConfig(8, 5, 1), LevelConfig(16, 4, 1))


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    torch.manual_seed(0)
    made = Cascade(
        CascadeConfig((DenoiserConfig(64, 2),) * 3, categories=("table", "chair")),
        AutoEncoderConfig(64, LEVELS),
    ).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return made


def sample(
    cascade: Cascade,
    seeds: list[int],
    category: int = 0,
    guidance: float = 1.0,
    guidance_level: int = 1,
    solver: str = "heun",
    kept: tuple[torch.Tensor, ...] = (),
) -> Latents:
    return cascade.sample(
        seeds,
        torch.full((len(seeds),), category),
        steps=4,
        guidance=guidance,
        guidance_level=guidance_level,
        solver=solver,
        kept=kept,
        on_step=lambda *_: None,
    )


def test_the_same_seed_gives_the_same_latents_bit_for_bit(cascade: Cascade) -> None:
    for one, other in zip(sample(cascade, [7]).levels, sample(cascade, [7]).levels, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_sample_does_not_depend_on_its_batchmates(cascade: Cascade, solver: str) -> None:
    together, alone = (sample(cascade, seeds, solver=solver) for seeds in ([1, 2, 3], [2]))
    for many, one in zip(together.levels, alone.levels, strict=True):
        assert torch.equal(many[1:2], one)


def test_kept_levels_are_the_parents_bit_for_bit_and_finer_ones_new(cascade: Cascade) -> None:
    parent = sample(cascade, [1])
    child = sample(cascade, [2], kept=parent.levels[:2])
    assert torch.equal(child.levels[0], parent.levels[0])
    assert torch.equal(child.levels[1], parent.levels[1])
    assert not torch.allclose(child.levels[2], parent.levels[2])


def test_guidance_zero_is_the_sample_without_category(cascade: Cascade) -> None:
    for one, other in zip(
        sample(cascade, [5], category=1, guidance=0.0).levels,
        sample(cascade, [5], category=2).levels,
        strict=True,
    ):
        assert torch.equal(one, other)


def test_guidance_above_one_moves_the_sample(cascade: Cascade) -> None:
    plain, guided = sample(cascade, [5]), sample(cascade, [5], guidance=3.0)
    assert not torch.allclose(plain.levels[0], guided.levels[0])


def test_levels_finer_than_the_guidance_level_are_conditional_alone(cascade: Cascade) -> None:
    plain, guided = sample(cascade, [5]), sample(cascade, [5], guidance=3.0)
    partly = sample(cascade, [5], guidance=3.0, guidance_level=3)
    assert torch.equal(partly.levels[0], guided.levels[0])
    assert not torch.equal(partly.levels[1], guided.levels[1])
    child = sample(cascade, [5], guidance=3.0, guidance_level=3, kept=plain.levels[:1])
    unguided = sample(cascade, [5], kept=plain.levels[:1])
    for one, other in zip(child.levels, unguided.levels, strict=True):
        assert torch.equal(one, other)
    # The parent's seed gives another child than the parent itself.
    assert not torch.equal(child.levels[1], plain.levels[1])


def test_samples_without_category_have_none_on_any_level(cascade: Cascade) -> None:
    for one, other in zip(
        sample(cascade, [5], guidance=0.0, guidance_level=3).levels,
        sample(cascade, [5], guidance=0.0).levels,
        strict=True,
    ):
        assert torch.equal(one, other)


def test_every_level_is_sampled_by_the_solver_asked_for(cascade: Cascade) -> None:
    heun, multistep = (sample(cascade, [7], solver=solver) for solver in SOLVERS)
    for one, other in zip(heun.levels, multistep.levels, strict=True):
        assert not torch.equal(one, other)


@pytest.mark.parametrize("solver", SOLVERS)
def test_progress_names_each_level_to_its_end(cascade: Cascade, solver: str) -> None:
    seen: list[tuple[int, float]] = []
    cascade.sample(
        [1, 2],
        torch.tensor([0, 1]),
        steps=2,
        guidance=1.0,
        guidance_level=1,
        solver=solver,
        on_step=lambda *at: seen.append(at),
    )
    quarters = [0.25, 0.5, 0.75, 1.0]
    assert seen == [(level, done) for level in (3, 2, 1) for done in quarters]


def test_keys_and_values_of_conditions_are_made_once_a_sample(
    cascade: Cascade, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    original = ConditionAttention.keys_values

    def counted(self: ConditionAttention, latents: torch.Tensor) -> KeysValues:
        nonlocal made
        made += 1
        return original(self, latents)

    monkeypatch.setattr(ConditionAttention, "keys_values", counted)
    sample(cascade, [1])
    assert made == 0 + 1 + 2  # coarser sets of levels 3, 2 and 1, however many steps
