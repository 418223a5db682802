"""Level control: means over pairs whose answers are known, and a tiny model's families."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from model.checkpoint import load_checkpoint, save_checkpoint
from model.evaluation.distributions import chamfer_matrix
from model.evaluation.levels import (
    LevelDistances,
    LevelReport,
    evaluate_levels,
    family_distances,
    mean_by_shared_levels,
)
from model.evaluation.metrics import chamfer_distance
from model.evaluation.sampler import Sampler, family_paths
from model.pipeline import CapabilityError, ShapePipeline
from tests.shapes import moved, sphere


@pytest.fixture(autouse=True)
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.evaluation.levels.POINTS", 256)


def sampler(weights: Path) -> Sampler:
    pipeline = ShapePipeline.load(weights, device="cpu")
    return Sampler(pipeline, seed=0, steps=2, guidance=1.0, resolution=8)


def empty_mesh() -> trimesh.Trimesh:
    return trimesh.Trimesh(np.zeros((0, 3)), np.zeros((0, 3), int), process=False)


def test_paths_count_through_a_family() -> None:
    paths = family_paths(2, 3, 3)
    assert paths.shape == (18, 3)
    assert paths[[0, 1, 3, 9]].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_means_are_over_the_pairs_that_share_exactly_so_many_levels() -> None:
    paths = family_paths(2, 2, 3)
    # Shapes on a line: a pair is 1, 10 or 100 apart by the coarsest level in which it differs,
    # on average: 10 +- 1 and 100 +- 10 +- 1 cancel over the pairs.
    place = paths @ np.array([100.0, 10.0, 1.0])
    means = mean_by_shared_levels(np.abs(place[:, None] - place), paths)
    assert means == pytest.approx((100.0, 10.0, 1.0))


def test_a_block_matrix_has_its_blocks_means() -> None:
    paths = family_paths(3, 2, 2)
    distances = np.full((6, 6), 8.0)
    for block in range(3):
        distances[2 * block : 2 * block + 2, 2 * block : 2 * block + 2] = 2.0 + block
    assert mean_by_shared_levels(distances, paths) == pytest.approx((8.0, 3.0))


def test_no_pairs_no_mean() -> None:
    assert mean_by_shared_levels(np.zeros((2, 2)), np.array([[0, 0, 0], [0, 1, 0]])) == (
        None,
        0.0,
        None,
    )


def test_ratios_are_of_neighbouring_levels() -> None:
    assert LevelDistances((8.0, 4.0, 1.0), 0.1, 0).ratios() == (0.5, 0.25)
    assert LevelDistances((8.0, None, 1.0), 0.1, 0).ratios() == (None, None)


def test_pairwise_distances_are_chamfer_distances() -> None:
    clouds = list(np.random.default_rng(0).random((3, 50, 3)))
    trees = [cKDTree(cloud) for cloud in clouds]
    distances = chamfer_matrix(trees, trees, "random")
    np.testing.assert_array_equal(distances, distances.T)
    assert distances[0, 2] == pytest.approx(chamfer_distance(clouds[0], clouds[2]))
    assert not distances.diagonal().any()


def test_a_family_of_moved_spheres_has_known_distances() -> None:
    # Two parents far apart, each with two equal variants: the same points, at no distance.
    ball = sphere(1.0).mesh
    family = [ball, ball, moved(ball, (50.0, 0.0, 0.0)), moved(ball, (50.0, 0.0, 0.0))]
    made = family_distances(family, family_paths(2, 2, 2), "balls")
    assert made.shared[1] == 0.0
    assert made.shared[0] == pytest.approx(49.0, rel=0.02)
    assert made.resampled == pytest.approx(0.5 * np.sqrt(4 * np.pi / 256), rel=0.1)


def test_shapes_without_surface_are_left_out_and_counted() -> None:
    ball = sphere(1.0).mesh
    made = family_distances([ball, empty_mesh(), ball, ball], family_paths(2, 2, 2), "balls")
    assert made.shared == (0.0, 0.0)
    assert made.empty == 1
    with pytest.raises(ValueError, match="every sample of balls is without surface"):
        family_distances([empty_mesh()] * 4, family_paths(2, 2, 2), "balls")


def test_families_share_their_levels(tiny_checkpoint: Path) -> None:
    family = sampler(tiny_checkpoint).family("chair", 2, 2)
    paths = family_paths(2, 2, 3)
    for depth, level in enumerate(family.levels, 1):
        for i, j in np.ndindex(8, 8):
            shared = bool((paths[i, :depth] == paths[j, :depth]).all())
            assert bool((level[i] == level[j]).all()) == shared


def test_a_model_is_measured_by_category(tiny_checkpoint: Path) -> None:
    shown = {}
    made = evaluate_levels(
        sampler(tiny_checkpoint),
        ["chair", "sofa"],
        parents=2,
        variants=2,
        show=lambda name, surfaces: shown.update({name: len(surfaces)}),
    )
    assert shown == {"chair": 8, "sofa": 8}
    assert list(made.categories) == ["chair", "sofa"]
    values = json.loads(json.dumps(made.to_dict()))
    assert len(values["categories"]["chair"]["shared"]) == 3
    assert len(values["mean"]["ratios"]) == 2


def test_markdown_goes_from_fine_to_coarse() -> None:
    rows = {
        "chair": LevelDistances((0.08, 0.04, 0.01), 0.005, 1),
        "sofa": LevelDistances((0.04, 0.02, None), 0.005, 0),
    }
    made = LevelReport("tiny", "ab" * 32, 3, 4, 4, 0, 18, 2.0, 64, "heun", 1, rows)
    lines = made.to_markdown().splitlines()
    columns = ("keep 3+2", "keep 3", "unrelated", "3+2 : 3", "3 : unrelated")
    assert f"| category | {' | '.join(columns)} | same shape | empty |" in lines
    assert "| chair | 1.00 | 4.00 | 8.00 | 0.25 | 0.50 | 0.50 | 1 |" in lines
    assert "| sofa | - | 2.00 | 4.00 | - | 0.50 | 0.50 | 0 |" in lines
    assert "| mean | 1.00 | 3.00 | 6.00 | 0.33 | 0.50 | 0.50 | 1 |" in lines
    assert "64 shapes a category" in made.to_markdown()


def test_models_without_control_are_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(tiny_checkpoint)
    config = replace(checkpoint.config, cascade=None)
    save_checkpoint(tmp_path, config, checkpoint.autoencoder, None)
    with pytest.raises(CapabilityError, match="no cascade"):
        evaluate_levels(sampler(tmp_path), [], parents=2, variants=2)


def test_a_model_with_one_level_has_none_to_keep(tiny_checkpoint: Path) -> None:
    made = sampler(tiny_checkpoint)
    info = made.pipeline.info
    made.pipeline.info = replace(info, levels=info.levels[-1:])
    with pytest.raises(CapabilityError, match="one level"):
        evaluate_levels(made, [], parents=2, variants=2)


def test_unknown_categories_are_refused_before_anything_is_sampled(tiny_checkpoint: Path) -> None:
    shown: list[str] = []
    with pytest.raises(ValueError, match=r"unknown category \['boat'\]"):
        evaluate_levels(
            sampler(tiny_checkpoint),
            ["chair", "boat"],
            parents=2,
            variants=2,
            show=lambda name, _: shown.append(name),
        )
    assert shown == []


def test_families_need_pairs(tiny_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        evaluate_levels(sampler(tiny_checkpoint), [], parents=1, variants=2)
