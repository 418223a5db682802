"""`lagem evaluate` and `lagem gallery`: how good a model is, in numbers and in pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import click

from model.cli.command import OfflineCommand, OfflineGroup
from model.cli.options import (
    EXISTING_FILE,
    EXISTING_FOLDER,
    FOLDER,
    LARGEST_SEED,
    Decorator,
    ModelChoice,
    guidance_option,
    json_option,
    model_options,
    resolution_option,
    steps_option,
)

if TYPE_CHECKING:
    from model.pipeline import ShapePipeline


@click.group(cls=OfflineGroup)
def evaluate() -> None:
    """Measure a model."""


data_option = click.option(
    "--data",
    type=EXISTING_FOLDER,
    required=True,
    help="Folder of shards, or of meshes (sub-folders are categories).",
)
limit_option = click.option(
    "--limit", type=click.IntRange(1), help="Only so many shapes, spread over the folder."
)
first_seed_option = click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=0,
    show_default=True,
    help="Seed of the first shape.",
)


def report_option(name: str) -> Decorator:
    """Where a report called `name` and its picture go."""
    return click.option(
        "-o", "--output", type=FOLDER, help=f"Folder for {name}.json, {name}.md and {name}.png."
    )


@runtime_checkable
class Report(Protocol):
    """What an evaluation found."""

    def to_dict(self) -> dict[str, Any]:
        """Everything, JSON-able."""

    def to_markdown(self) -> str:
        """Its tables."""


def deliver(
    report: Report, name: str, output: Path | None, draw: Callable[[Path], None], as_json: bool
) -> None:
    """Print a report; with an output folder, write it there, and its picture by `draw`."""
    text = json.dumps(report.to_dict(), indent=2)
    markdown = report.to_markdown()
    if output is not None:
        picture = output / f"{name}.png"
        output.mkdir(parents=True, exist_ok=True)
        (output / f"{name}.json").write_text(text + "\n")
        (output / f"{name}.md").write_text(f"{markdown}\n![{name}]({picture.name})\n")
        draw(picture)
    click.echo(text if as_json else markdown.rstrip())


def _chosen(
    pipeline: ShapePipeline, steps: int | None, guidance: float | None, resolution: int | None
) -> dict[str, Any]:
    """Settings of the sampler and the grid, the model's own where none is given."""
    given = {"steps": steps, "guidance": guidance, "resolution": resolution}
    chosen = {name: value for name, value in given.items() if value is not None}
    return asdict(pipeline.info.defaults) | chosen


@evaluate.command()
@data_option
@limit_option
@resolution_option
@report_option("reconstruction")
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
    """Compare shapes with their reconstructions, by category (Tables 4 and 5)."""
    from model.evaluation.reconstruction import evaluate_reconstruction

    pipeline = model.load()
    report = evaluate_reconstruction(
        pipeline,
        data,
        resolution=resolution or pipeline.info.defaults.resolution,
        limit=limit,
    )

    def draw(path: Path) -> None:
        from model.evaluation.sheets import draw_reconstructions

        draw_reconstructions(pipeline, data, report, path)

    deliver(report, "reconstruction", output, draw, as_json)


@evaluate.command()
@click.option(
    "--category",
    "categories",
    multiple=True,
    help="What to sample, may be repeated.  [default: all that the model knows]",
)
@click.option(
    "--parents",
    type=click.IntRange(2),
    default=4,
    show_default=True,
    help="Unrelated shapes of each category.",
)
@click.option(
    "--variants",
    type=click.IntRange(2),
    default=4,
    show_default=True,
    help="Variants of each shape at each next level.",
)
@first_seed_option
@steps_option
@guidance_option
@resolution_option
@report_option("levels")
@model_options
@json_option
def levels(
    categories: tuple[str, ...],
    parents: int,
    variants: int,
    seed: int,
    steps: int | None,
    guidance: float | None,
    resolution: int | None,
    output: Path | None,
    model: ModelChoice,
    as_json: bool,
) -> None:
    """Measure how far variants that keep coarse levels are apart (Figure 12 in numbers)."""
    from model.evaluation.levels import evaluate_levels
    from model.evaluation.sampler import Sampler
    from model.evaluation.sheets import FamilySheet

    pipeline = model.load()
    sampler = Sampler(pipeline, seed=seed, **_chosen(pipeline, steps, guidance, resolution))
    sheet = FamilySheet(parents, variants)
    report = evaluate_levels(
        sampler,
        categories,
        parents=parents,
        variants=variants,
        show=None if output is None else sheet,
    )
    deliver(report, "levels", output, sheet.save, as_json)


@evaluate.command()
@data_option
@limit_option
@first_seed_option
@resolution_option
@report_option("noise")
@model_options
@json_option
def noise(
    data: Path,
    limit: int | None,
    seed: int,
    resolution: int | None,
    output: Path | None,
    model: ModelChoice,
    as_json: bool,
) -> None:
    """Replace levels of shapes' latents by noise and measure what changes (Figure 13)."""
    from model.evaluation.noise import evaluate_noise
    from model.evaluation.sheets import NoiseSheet

    pipeline = model.load()
    sheet = NoiseSheet(len(pipeline.info.levels))
    report = evaluate_noise(
        pipeline,
        data,
        resolution=resolution or pipeline.info.defaults.resolution,
        seed=seed,
        limit=limit,
        show=None if output is None else sheet,
    )
    deliver(report, "noise", output, sheet.save, as_json)


@evaluate.command()
@data_option
@click.option(
    "--category",
    "categories",
    multiple=True,
    help="May be given several times; none: without category, against all references.  "
    "[default: those that have references]",
)
@click.option(
    "--samples",
    type=click.IntRange(2),
    help="Samples of each category.  [default: as many as references]",
)
@click.option(
    "--references", type=click.IntRange(2), help="So many of each category at most.  [default: all]"
)
@click.option(
    "--baseline",
    type=EXISTING_FOLDER,
    help="Compare the shapes of this folder with the references too: what samples could reach.",
)
@click.option(
    "--extractor",
    type=EXISTING_FILE,
    help="Program from points (b, n, 3) to features (b, f): torch.export (.pt2) or TorchScript.  "
    "[default: the bundled point features]",
)
@first_seed_option
@steps_option
@guidance_option
@resolution_option
@report_option("generation")
@model_options
@json_option
def generation(
    data: Path,
    categories: tuple[str, ...],
    samples: int | None,
    references: int | None,
    baseline: Path | None,
    extractor: Path | None,
    seed: int,
    steps: int | None,
    guidance: float | None,
    resolution: int | None,
    output: Path | None,
    model: ModelChoice,
    as_json: bool,
) -> None:
    """Compare generated shapes with references, by category: FPD, KPD, MMD, COV, 1-NNA (Table 6).

    The references in --data are to be shapes that the model was not trained on.
    """
    from model.evaluation.extractors import load_features, load_program
    from model.evaluation.generation import evaluate_generation
    from model.evaluation.generation_report import GenerationProtocol

    if baseline is not None and baseline.resolve() == data.resolve():
        raise click.UsageError("--baseline must name another folder than --data")
    features = load_features() if extractor is None else load_program(extractor)
    pipeline = model.load()
    protocol = GenerationProtocol(
        seed=seed,
        samples=samples,
        references=references,
        **_chosen(pipeline, steps, guidance, resolution),
    )
    report, picture = evaluate_generation(
        pipeline, features, data, protocol, categories=categories, baseline=baseline
    )
    deliver(report, "generation", output, picture.save, as_json)


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
@first_seed_option
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
    written = draw_gallery(
        pipeline,
        output,
        meshes=meshes,
        seed=seed,
        **_chosen(pipeline, steps, guidance, resolution),
    )
    if as_json:
        click.echo(json.dumps({"files": [str(path) for path in written]}))
    else:
        for path in written:
            click.echo(path)
