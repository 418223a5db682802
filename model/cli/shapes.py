"""`lagem encode`, `generate`, `resample`, `decode`: the model run directly, without a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model.cli.command import OfflineCommand
from model.cli.options import (
    EXISTING_FILE,
    MeshChoice,
    ModelChoice,
    SamplingChoice,
    category_option,
    json_option,
    keep_level_option,
    mesh_file_options,
    mesh_options,
    model_options,
    output_option,
    placed_mesh_options,
    sampling_options,
    variant_category_option,
)
from model.cli.progress import stage_progress

if TYPE_CHECKING:
    import numpy as np
    import trimesh
    from jaxtyping import Float32

    from model.cli.shapefolder import Shape
    from model.latents import Latents
    from model.pipeline import Observer, ShapePipeline

_BATCH = 16  # shapes sampled together
_METRIC_POINTS = 8192  # of a reconstruction, compared with the encoder's points

_any_weights_option = click.option(
    "--any-weights", is_flag=True, help="Accept latents made with other weights."
)


@click.command(cls=OfflineCommand)
@click.argument("source", metavar="IN", type=EXISTING_FILE)
@output_option
@placed_mesh_options
@model_options
@json_option
def encode(
    source: Path, output: Path, meshing: MeshChoice, model: ModelChoice, as_json: bool
) -> None:
    """Encode the mesh or point cloud IN to latents, and reconstruct it.

    Writes shape.safetensors and mesh.glb into the output folder.
    """
    from model.cli.shapefolder import Shape
    from model.geometry.mesh import MeshError, load_mesh
    from model.geometry.sampling import to_point_cloud

    try:
        cloud = to_point_cloud(load_mesh(source.read_bytes(), hint=source.name))
    except MeshError as error:
        raise ValueError(f"{source}: {error}") from error
    pipeline = model.load()
    with stage_progress() as progress:
        latents = pipeline.encode(cloud.points[None])
        surfaces = _surfaces(pipeline, latents, meshing, progress, seeds=[cloud.points])
    shape = Shape(latents, cloud.normalization)
    [entry] = _write(pipeline, {output: shape}, surfaces, meshing)
    if entry["mesh"]:
        entry["metrics"] = _metrics(cloud.points, surfaces[0])
    _report("encode", pipeline, [entry], as_json)


@click.command(cls=OfflineCommand)
@category_option
@sampling_options
@output_option
@mesh_options
@model_options
@json_option
def generate(
    category: str | None,
    sampling: SamplingChoice,
    output: Path,
    meshing: MeshChoice,
    model: ModelChoice,
    as_json: bool,
) -> None:
    """Generate new shapes, each in a folder named by category and seed."""
    from model.cli.shapefolder import Shape
    from model.geometry.normalization import Normalization

    pipeline = model.load()
    seeds = sampling.seeds()
    with stage_progress() as progress:
        latents = _sample(pipeline, seeds, category, sampling, progress)
        surfaces = _surfaces(pipeline, latents, meshing, progress)
    shapes = {
        output / f"{category or 'shape'}-{seed}": Shape(
            latents[row : row + 1], Normalization.identity(), category, seed
        )
        for row, seed in enumerate(seeds)
    }
    _report("generate", pipeline, _write(pipeline, shapes, surfaces, meshing), as_json)


@click.command(cls=OfflineCommand)
@click.argument("source", metavar="SHAPE", type=EXISTING_FILE)
@keep_level_option
@variant_category_option
@sampling_options
@output_option
@placed_mesh_options
@_any_weights_option
@model_options
@json_option
def resample(
    source: Path,
    keep_level: int,
    category: str | None,
    sampling: SamplingChoice,
    output: Path,
    meshing: MeshChoice,
    any_weights: bool,
    model: ModelChoice,
    as_json: bool,
) -> None:
    """Make variants of the latents file SHAPE: finer levels anew, coarser ones kept.

    Each variant gets a folder named by its seed.
    """
    from model.cli.shapefolder import Shape

    pipeline = model.load()
    parent = Shape.read(source, pipeline.info, any_weights=any_weights)
    category = category or parent.category
    seeds = sampling.seeds()
    with stage_progress() as progress:
        latents = _sample(pipeline, seeds, category, sampling, progress, parent.latents, keep_level)
        surfaces = _surfaces(pipeline, latents, meshing, progress)
    shapes = {
        output / f"variant-{seed}": Shape(
            latents[row : row + 1], parent.normalization, category, seed
        )
        for row, seed in enumerate(seeds)
    }
    _report("resample", pipeline, _write(pipeline, shapes, surfaces, meshing), as_json)


@click.command(cls=OfflineCommand)
@click.argument("source", metavar="SHAPE", type=EXISTING_FILE)
@mesh_file_options
@_any_weights_option
@model_options
@json_option
def decode(
    source: Path,
    output: Path,
    meshing: MeshChoice,
    any_weights: bool,
    model: ModelChoice,
    as_json: bool,
) -> None:
    """Extract a mesh from the latents file SHAPE, at any resolution."""
    from model.cli.shapefolder import Shape

    mesh_format = meshing.format_of(output)
    pipeline = model.load()
    shape = Shape.read(source, pipeline.info, any_weights=any_weights)
    with stage_progress() as progress:
        [surface] = _surfaces(pipeline, shape.latents, meshing, progress)
    mesh = shape.save_mesh(
        output,
        surface,
        mesh_format=mesh_format,
        target_faces=meshing.target_faces,
        space=meshing.space,
    )
    _report("decode", pipeline, [_entry(shape, mesh)], as_json)


def _sample(
    pipeline: ShapePipeline,
    seeds: list[int],
    category: str | None,
    sampling: SamplingChoice,
    observe: Observer,
    parent: Latents | None = None,
    keep_level: int | None = None,
) -> Latents:
    """Latents of new shapes, or of variants of `parent` (one shape), one a seed."""
    from model.latents import Latents

    defaults = pipeline.info.defaults
    batches = []
    for start in range(0, len(seeds), _BATCH):
        rows = seeds[start : start + _BATCH]
        batches.append(
            pipeline.sample(
                rows,
                [category] * len(rows),
                steps=defaults.steps if sampling.steps is None else sampling.steps,
                guidance=defaults.guidance if sampling.guidance is None else sampling.guidance,
                keep=Latents.concatenate([parent] * len(rows)) if parent else None,
                keep_level=keep_level,
                observe=observe,
            )
        )
    return Latents.concatenate(batches)


def _surfaces(
    pipeline: ShapePipeline,
    latents: Latents,
    meshing: MeshChoice,
    observe: Observer,
    seeds: list[np.ndarray] | None = None,
) -> list[trimesh.Trimesh]:
    return pipeline.meshes(
        latents,
        resolution=meshing.resolution or pipeline.info.defaults.resolution,
        seeds=seeds,
        exhaustive=meshing.exhaustive,
        observe=observe,
    )


def _write(
    pipeline: ShapePipeline,
    shapes: Mapping[Path, Shape],
    surfaces: list[trimesh.Trimesh],
    meshing: MeshChoice,
) -> list[dict[str, Any]]:
    """Write each shape's folder, with a mesh where it has a surface; returns what to report."""
    from model.cli.shapefolder import LATENTS_NAME

    entries = []
    for (folder, shape), surface in zip(shapes.items(), surfaces, strict=True):
        shape.save_latents(folder / LATENTS_NAME, pipeline.info)
        mesh = None
        if len(surface.faces):
            mesh = shape.save_mesh(
                folder / f"mesh.{meshing.mesh_format}",
                surface,
                mesh_format=str(meshing.mesh_format),
                target_faces=meshing.target_faces,
                space=meshing.space,
            )
        entries.append(_entry(shape, mesh) | {"latents": str(folder / LATENTS_NAME)})
    return entries


def _entry(shape: Shape, mesh: dict[str, Any] | None) -> dict[str, Any]:
    return {"category": shape.category, "seed": shape.seed, "mesh": mesh}


def _metrics(points: Float32[np.ndarray, "n 3"], surface: trimesh.Trimesh) -> dict[str, float]:
    """How near a reconstruction lies to the encoder's points, canonical frame."""
    from model.evaluation.metrics import chamfer_distance, f_score
    from model.geometry.sampling import sample_surface

    rebuilt = sample_surface(surface, _METRIC_POINTS, seed=0)
    return {
        "chamfer": round(chamfer_distance(points, rebuilt), 5),
        "f_score": round(f_score(points, rebuilt), 4),
    }


def _report(
    operation: str, pipeline: ShapePipeline, entries: list[dict[str, Any]], as_json: bool
) -> None:
    """Print what was made.

    Raises:
        ValueError: after all is printed, when a shape has no mesh.
    """
    if as_json:
        model = {k: getattr(pipeline.info, k) for k in ("name", "version", "weights_sha256")}
        report = {"operation": operation, "model": model, "shapes": entries}
        click.echo(json.dumps(report, indent=2))
    else:
        for entry in entries:
            click.echo(shape_line(entry))
    empty = [entry["latents"] for entry in entries if entry["mesh"] is None]
    if empty:
        raise ValueError(f"no surface at this resolution, so no mesh beside {', '.join(empty)}")


def shape_line(entry: dict[str, Any]) -> str:
    """One shape in words: where it is, then the facts."""
    mesh = entry["mesh"]
    facts = [] if entry["seed"] is None else [f"seed {entry['seed']}"]
    if mesh is None:
        return ", ".join([f"{entry['latents']}: no surface", *facts])
    facts += [f"{mesh['faces']:,} faces", "closed" if mesh["watertight"] else "open"]
    facts += [f"{name} {value:g}" for name, value in entry.get("metrics", {}).items()]
    return f"{mesh['path']}: {', '.join(facts)}"
