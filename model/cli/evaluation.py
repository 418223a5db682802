"""`lagem evaluate` and `lagem gallery`: how good a model is, in numbers and in pictures."""

from __future__ import annotations

import json
from pathlib import Path

import click

from model.cli.command import OfflineCommand, OfflineGroup
from model.cli.options import (
    EXISTING_FOLDER,
    FOLDER,
    LARGEST_SEED,
    ModelChoice,
    guidance_option,
    json_option,
    model_options,
    resolution_option,
    steps_option,
)


@click.group(cls=OfflineGroup)
def evaluate() -> None:
    """Measure a model."""


@evaluate.command()
@click.option(
    "--data",
    type=EXISTING_FOLDER,
    required=True,
    help="Folder of shards, or of meshes (sub-folders are categories).",
)
@click.option("--limit", type=click.IntRange(1), help="Only the first so many shapes.")
@resolution_option
@click.option(
    "-o", "--output", type=FOLDER, help="Folder for reconstruction.json and reconstruction.md."
)
@model_options
@json_option
def reconstruction(
    data: Path,
    limit: int | None,
    resolution: int | None,
    output: Path | None,
    model: ModelChoice,
    as_json: bool,
) -> None:
    """Compare shapes with their reconstructions, by category."""
    from model.evaluation.evaluate import evaluate_reconstruction

    pipeline = model.load()
    report = evaluate_reconstruction(
        pipeline,
        data,
        resolution=resolution or pipeline.info.defaults.resolution,
        limit=limit,
    )
    text = json.dumps(report.to_dict(), indent=2)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "reconstruction.json").write_text(text + "\n")
        (output / "reconstruction.md").write_text(report.to_markdown())
    click.echo(text if as_json else report.to_markdown().rstrip())


@click.command(cls=OfflineCommand)
@click.option(
    "-o",
    "--output",
    type=FOLDER,
    default="docs/gallery",
    show_default=True,
    help="Folder to write into.",
)
@click.option(
    "--meshes",
    type=EXISTING_FOLDER,
    help="Meshes to reconstruct.  [default: procedural shapes never trained on]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=0,
    show_default=True,
    help="Seed of the first generated shape.",
)
@steps_option
@guidance_option
@resolution_option
@model_options
@json_option
def gallery(
    output: Path,
    meshes: Path | None,
    seed: int,
    steps: int | None,
    guidance: float | None,
    resolution: int | None,
    model: ModelChoice,
    as_json: bool,
) -> None:
    """Draw what the model makes: categories, reconstructions and levels of detail."""
    from model.evaluation.gallery import draw_gallery

    pipeline = model.load()
    defaults = pipeline.info.defaults
    written = draw_gallery(
        pipeline,
        output,
        meshes=meshes,
        seed=seed,
        steps=defaults.steps if steps is None else steps,
        guidance=defaults.guidance if guidance is None else guidance,
        resolution=resolution or defaults.resolution,
    )
    if as_json:
        click.echo(json.dumps({"files": [str(path) for path in written]}))
    else:
        for path in written:
            click.echo(path)
