"""Noise in latents: which levels it replaces, what it is, and what a report says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from model.data.synthesize import synthesize
from model.evaluation.noise import (
    NOTHING,
    NoiseReport,
    NoisyShape,
    evaluate_noise,
    level_subsets,
    with_noise,
)
from model.evaluation.scores import Closeness
from model.latents import Latents
from model.pipeline import ShapePipeline

LATENTS = Latents((torch.ones(2, 4, 8), torch.ones(2, 6, 8), torch.ones(2, 9, 4)))


def test_subsets_are_all_but_the_empty_one() -> None:
    assert level_subsets(3) == [(3,), (2,), (1,), (3, 2), (3, 1), (2, 1), (3, 2, 1)]
    assert level_subsets(1) == [(1,)]


def test_a_model_with_one_level_has_one_subset() -> None:
    latents = Latents((torch.ones(1, 16, 8),))
    noisy = with_noise(latents, (1,), [0])
    assert not torch.isclose(noisy.level(1), latents.level(1)).all()


def test_noise_replaces_the_named_levels_only() -> None:
    noisy = with_noise(LATENTS, (3, 1), [0, 1])
    assert torch.equal(noisy.level(2), LATENTS.level(2))
    assert not torch.isclose(noisy.level(3), LATENTS.level(3)).all()
    assert [level.shape for level in noisy.levels] == [level.shape for level in LATENTS.levels]


def test_noise_is_standardised_per_vector() -> None:
    noisy = with_noise(LATENTS, (2,), [0, 1]).level(2)
    torch.testing.assert_close(noisy.mean(dim=-1), torch.zeros(2, 6), atol=1e-5, rtol=0)
    spread = noisy.var(dim=-1, correction=0)
    torch.testing.assert_close(spread, torch.ones(2, 6), atol=1e-3, rtol=0)


def test_noise_of_a_level_is_the_same_in_every_subset_and_follows_the_seed() -> None:
    alone, all_levels = with_noise(LATENTS, (2,), [0, 1]), with_noise(LATENTS, (3, 2, 1), [0, 1])
    assert torch.equal(alone.level(2), all_levels.level(2))
    assert not torch.equal(alone.level(2)[0], alone.level(2)[1])
    assert torch.equal(with_noise(LATENTS, (2,), [1, 0]).level(2)[0], alone.level(2)[1])


@pytest.fixture
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.evaluation.subjects.SURFACE_POINTS", 512)
    monkeypatch.setattr("model.evaluation.scores.SURFACE_POINTS", 512)


def test_a_folder_is_evaluated_for_every_subset(
    tiny_checkpoint: Path, few_points: None, tmp_path: Path
) -> None:
    synthesize(tmp_path, per_category=1, jumbles=0, seed=0, split="test")
    pipeline = ShapePipeline.load(tiny_checkpoint, device="cpu")
    shown = []
    made = evaluate_noise(
        pipeline,
        tmp_path,
        resolution=8,
        seed=0,
        limit=2,
        show=lambda source, category, meshes: shown.append((source.name, category, len(meshes))),
    )
    assert [(shape.name, shape.category, 8) for shape in made.shapes] == shown
    assert list(made.to_reconstruction()) == ["3", "2", "1", "3+2", "3+1", "2+1", "3+2+1"]
    assert list(made.to_truth()) == [NOTHING, *made.to_reconstruction()]
    again = evaluate_noise(pipeline, tmp_path, resolution=8, seed=0, limit=2)
    assert made == again


def closeness(value: float) -> Closeness:
    return Closeness(None, value, value)


def test_markdown_and_dictionary_hold_the_means() -> None:
    shapes = tuple(
        NoisyShape(
            str(value),
            "lamp",
            {"1": closeness(value)},
            {NOTHING: closeness(0.0), "1": closeness(1.0)},
        )
        for value in (0.2, 0.4)
    )
    made = NoiseReport("tiny", "ab" * 32, "test", 64, 0, shapes, {"x": "broken"})
    lines = made.to_markdown().splitlines()
    assert "| none | - | - | - | - | 0.00 | 0.00 |" in lines
    assert "| 1 | - | 30.00 | 30.00 | - | 100.00 | 100.00 |" in lines
    values = json.loads(json.dumps(made.to_dict()))
    assert values["to_reconstruction"]["1"]["chamfer"] == pytest.approx(0.3)


def test_a_folder_without_any_usable_shape_is_refused(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.obj").write_text("f 1 2 3\n")
    pipeline = ShapePipeline.load(tiny_checkpoint, device="cpu")
    with pytest.raises(ValueError, match=r"broken\.obj: "):
        evaluate_noise(pipeline, tmp_path, resolution=8, seed=0)
