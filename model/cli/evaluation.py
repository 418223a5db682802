"""`lagem evaluate` and `lagem gallery`: how good a model is, in numbers and in pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from model.cli.command import OfflineCommand, OfflineGroup
from model.cli.options import (
    EXISTING_FILE,
    EXISTING_FOLDER,
    FOLDER,
    FiniteRange,
    ModelChoice,
    combined,
    first_seed_option,
    guidance_option,
    json_option,
    model_options,
    resolution_option,
    steps_option,
)
from model.cli.report import deliver, report_option
from model.config import SolverName

if TYPE_CHECKING:
    from model.evaluation.generation_report import GenerationProtocol
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

sets_options = combined(
    data_option,
    click.option(
        "--category",
        "categories",
        multiple=True,
        help="May be given several times; none: without category, against all references.  "
        "[default: those that have references]",
    ),
    click.option(
        "--samples",
        type=click.IntRange(2),
        help="Samples of each category.  [default: as many as references]",
    ),
    click.option(
        "--references",
        type=click.IntRange(2),
        help="So many of each category at most.  [default: all]",
    ),
)
extractor_option = click.option(
    "--extractor",
    type=EXISTING_FILE,
    help="Program from points (b, n, 3) to features (b, f): torch.export (.pt2) or TorchScript.  "
    "[default: the bundled point features]",
)


def _chosen(
    pipeline: ShapePipeline, steps: int | None, guidance: float | None, resolution: int | None
) -> dict[str, Any]:
    """Settings of the sampler and the grid, the model's own where none is given."""
    given = {"steps": steps, "guidance": guidance, "resolution": resolution}
    defaults = pipeline.info.defaults
    return {
        name: getattr(defaults, name) if value is None else value for name, value in given.items()
    }


def _protocol(pipeline: ShapePipeline, **settings: Any) -> GenerationProtocol:
    """How sets of samples are drawn: by these settings and the model's solver."""
    from model.evaluation.generation_report import GenerationProtocol

    defaults = pipeline.info.defaults
    return GenerationProtocol(
        solver=defaults.solver, guidance_level=defaults.guidance_level, **settings
    )


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
@sets_options
@click.option(
    "--baseline",
    type=EXISTING_FOLDER,
    help="Compare the shapes of this folder with the references too: what samples could reach.",
)
@extractor_option
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

    if baseline is not None and baseline.resolve() == data.resolve():
        raise click.UsageError("--baseline must name another folder than --data")
    features = load_features() if extractor is None else load_program(extractor)
    pipeline = model.load()
    sets = {"samples": samples, "references": references}
    settings = _chosen(pipeline, steps, guidance, resolution)
    protocol = _protocol(pipeline, seed=seed, **sets, **settings)
    report, picture = evaluate_generation(
        pipeline, features, data, protocol, categories=categories, baseline=baseline
    )
    deliver(report, "generation", output, picture.save, as_json)


@evaluate.command()
@sets_options
@click.option(
    "--steps",
    type=click.IntRange(2),
    multiple=True,
    default=(8, 12, 16, 24, 32, 64),
    show_default=True,
    help="Noise levels, may be repeated; the most of them are those of the finest run.",
)
@click.option(
    "--solver",
    "solvers",
    type=click.Choice(get_args(SolverName)),
    multiple=True,
    help="May be repeated.  [default: all]",
)
@click.option(
    "--guidance-level",
    "guidance_levels",
    type=click.IntRange(1),
    multiple=True,
    help="Finest level that is guided, may be repeated.  [default: the model's]",
)
@click.option(
    "--tolerance",
    type=FiniteRange(0),
    default=0.02,
    show_default=True,
    help="Share of the finest run's score by which another may be worse.",
)
@extractor_option
@first_seed_option
@guidance_option
@resolution_option
@report_option("steps")
@model_options
@json_option
def steps(
    data: Path,
    categories: tuple[str, ...],
    samples: int | None,
    references: int | None,
    steps: tuple[int, ...],
    solvers: tuple[str, ...],
    guidance_levels: tuple[int, ...],
    tolerance: float,
    extractor: Path | None,
    seed: int,
    guidance: float | None,
    resolution: int | None,
    output: Path | None,
    model: ModelChoice,
    as_json: bool,
) -> None:
    """Find the fewest steps, and the solver, whose samples are as good as those of many steps.

    The references in --data are to be shapes that the model was not trained on.
    """
    from model.evaluation.extractors import load_features, load_program
    from model.evaluation.steps import evaluate_steps

    features = load_features() if extractor is None else load_program(extractor)
    pipeline = model.load()
    sets = {"samples": samples, "references": references}
    settings = _chosen(pipeline, None, guidance, resolution)
    protocol = _protocol(pipeline, seed=seed, **sets, **settings)
    report, picture = evaluate_steps(
        pipeline,
        features,
        data,
        protocol,
        steps=steps,
        solvers=solvers or get_args(SolverName),
        guidance_levels=guidance_levels,
        categories=categories,
        tolerance=tolerance,
    )
    deliver(report, "steps", output, picture.save, as_json)


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
