"""The steps of the sampler: a tiny model sampled in every way, end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from torch import Tensor

from model.cli import main
from model.config import ConfigError
from model.evaluation.extractors import Extractor
from model.evaluation.generation import evaluate_generation
from model.evaluation.generation_report import UNCONDITIONAL, GenerationProtocol
from model.evaluation.steps import evaluate_steps
from model.evaluation.steps_report import Run, StepsReport
from model.geometry.mesh import export_mesh
from model.pipeline import ShapePipeline
from tests.shapes import box

PROTOCOL = GenerationProtocol(
    seed=3,
    steps=2,
    guidance=2.0,
    resolution=8,
    solver="heun",
    guidance_level=1,
    samples=2,
    points=64,
)
SOLVERS = ("heun", "dpm-solver++")


def corners(points: Tensor) -> Tensor:
    return torch.cat([points.amin(dim=1), points.amax(dim=1)], dim=1)


EXTRACTOR = Extractor("corners", "0" * 64, corners)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """References: two chairs and three lamps, all of them boxes."""
    folder = tmp_path_factory.mktemp("boxes")
    for category, count in (("chair", 2), ("lamp", 3)):
        (folder / category).mkdir()
        for i in range(count):
            mesh = box((1.0, 1.0 + i, 2.0)).mesh
            (folder / category / f"{i}.ply").write_bytes(export_mesh(mesh, "ply"))
    return folder


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint: Path) -> ShapePipeline:
    return ShapePipeline.load(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def report(pipeline: ShapePipeline, boxes: Path) -> StepsReport:
    made, picture = evaluate_steps(
        pipeline, EXTRACTOR, boxes, PROTOCOL, steps=(3, 12), solvers=SOLVERS, tolerance=0.02
    )
    assert picture.height > 2 * 96  # two categories
    assert picture.width > 4 * 96  # four runs
    return made


def test_every_solver_is_run_in_every_number_of_steps_cheapest_first(report: StepsReport) -> None:
    assert [str(result.run) for result in report.runs] == [
        "dpm-solver++ 3",
        "heun 3",
        "dpm-solver++ 12",
        "heun 12",
    ]
    assert [report.passes(result) for result in report.runs] == [18, 30, 72, 138]
    for result in report.runs:
        assert [(row.category, row.shapes, row.references) for row in result.categories] == [
            ("chair", 2, 2),
            ("lamp", 2, 3),
        ]


def test_the_finest_run_is_no_distance_from_itself_and_fine_ones_are_nearer(
    report: StepsReport,
) -> None:
    coarse, _, fine, finest = report.runs
    assert finest is report.finest
    assert (finest.latent_rms, finest.volume_iou) == ((0.0, 0.0, 0.0), 1.0)
    assert report.worse(finest) == ()
    assert fine.latent_rms[0] < coarse.latent_rms[0] / 2
    assert fine.volume_iou is not None
    assert coarse.volume_iou is not None
    assert 0 <= coarse.volume_iou <= fine.volume_iou <= 1


def test_scores_are_those_of_the_evaluation_of_generation(
    report: StepsReport, pipeline: ShapePipeline, boxes: Path
) -> None:
    for result in report.runs:
        asked = replace(PROTOCOL, solver=result.run.solver, steps=result.run.steps)
        alone, _ = evaluate_generation(pipeline, EXTRACTOR, boxes, asked)
        assert alone.samples == result.categories


def test_the_finest_run_is_made_whoever_is_asked_for(pipeline: ShapePipeline, boxes: Path) -> None:
    made, _ = evaluate_steps(
        pipeline,
        EXTRACTOR,
        boxes,
        PROTOCOL,
        steps=(2, 4, 4),
        solvers=("dpm-solver++",),
        guidance_levels=(3,),
        categories=["lamp", UNCONDITIONAL],
        tolerance=0.02,
    )
    assert [result.run for result in made.runs] == [
        Run("dpm-solver++", 2, 3),
        Run("dpm-solver++", 4, 3),
        Run("heun", 4, 1),
    ]
    assert made.finest.run == Run("heun", 4, 1)
    assert [row.category for row in made.finest.categories] == ["lamp", UNCONDITIONAL]


def test_guidance_may_end_above_the_finest_level(pipeline: ShapePipeline, boxes: Path) -> None:
    made, _ = evaluate_steps(
        pipeline,
        EXTRACTOR,
        boxes,
        PROTOCOL,
        steps=(2,),
        solvers=("heun",),
        guidance_levels=(1, 2, 3),
        categories=["lamp"],
        tolerance=0.02,
    )
    assert [str(result.run) for result in made.runs] == [
        "heun 2, guided down to level 3",
        "heun 2, guided down to level 2",
        "heun 2",
    ]
    # Levels that are guided in both runs, and hang on none that is not, are the same.
    assert [[rms == 0 for rms in result.latent_rms] for result in made.runs] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_samples_without_surface_have_no_solids_to_compare(
    pipeline: ShapePipeline, boxes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bias = pipeline.autoencoder.to_logit.bias
    monkeypatch.setattr(bias, "data", bias.data - 1e3)
    made, _ = evaluate_steps(
        pipeline, EXTRACTOR, boxes, PROTOCOL, steps=(2, 3), solvers=SOLVERS, tolerance=0.02
    )
    assert [result.failed for result in made.runs] == [4] * 4
    assert [result.volume_iou for result in made.runs] == [None] * 4
    assert str(made.chosen.run) == "dpm-solver++ 2"  # where nothing is good, nothing is worse


def test_runs_that_are_not_possible_are_refused(pipeline: ShapePipeline, boxes: Path) -> None:
    with pytest.raises(ConfigError, match=r"'euler': choose one of heun, dpm-solver\+\+"):
        evaluate_steps(
            pipeline, EXTRACTOR, boxes, PROTOCOL, steps=(2,), solvers=("euler",), tolerance=0.02
        )
    with pytest.raises(ValueError, match="level 4 cannot be guided: the model has 3"):
        evaluate_steps(
            pipeline,
            EXTRACTOR,
            boxes,
            PROTOCOL,
            steps=(2,),
            solvers=SOLVERS,
            guidance_levels=(4,),
            tolerance=0.02,
        )


def lagem(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_writes_json_markdown_and_picture(
    tiny_checkpoint: Path, boxes: Path, tmp_path: Path
) -> None:
    command = ("evaluate", "steps", "--data", boxes, "--weights", tiny_checkpoint, "--json")
    grid = ("--steps", 2, "--steps", 4, "--solver", "dpm-solver++", "--tolerance", 0.5)
    settings = ("--samples", 2, "--resolution", 8, "--category", "lamp", "-o", tmp_path)
    result = lagem(*command, *grid, *settings)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert json.loads((tmp_path / "steps.json").read_text()) == report
    assert [(row["run"]["solver"], row["evaluations"]) for row in report["runs"]] == [
        ("dpm-solver++", 2),
        ("dpm-solver++", 4),
        ("heun", 7),
    ]
    assert report["tolerance"] == 0.5
    assert "![steps](steps.png)" in (tmp_path / "steps.md").read_text()
    with Image.open(tmp_path / "steps.png") as picture:
        assert (np.asarray(picture).mean(axis=2) < 220).any()


def test_the_command_refuses_another_solver_and_names_the_choices(
    tiny_checkpoint: Path, boxes: Path
) -> None:
    command = ("evaluate", "steps", "--data", boxes, "--weights", tiny_checkpoint)
    refused = lagem(*command, "--solver", "euler")
    assert refused.exit_code == 2
    assert "'heun', 'dpm-solver++'" in refused.stderr
