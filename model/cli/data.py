"""`lagem data`: training shards from procedural shapes or from meshes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from model.cli.command import OfflineGroup
from model.cli.options import (
    EXISTING_FILE,
    EXISTING_FOLDER,
    ParameterDefault,
    combined,
    json_option,
    output_option,
    parameter_option,
)


def _synthesize() -> Any:
    from model.data.synthesize import synthesize

    return synthesize


def _prepare_meshes() -> Any:
    from model.data.prepare import prepare_meshes

    return prepare_meshes


def _selection() -> Any:
    from model.data.selection import Selection

    return Selection


def _point_counts() -> Any:
    from model.data.shards import PointCounts

    return PointCounts


_points_options = combined(
    click.option(
        "--surface-points",
        "surface",
        type=click.IntRange(1),
        default=ParameterDefault(_point_counts, "surface"),
        show_default=True,
        help="On the surface, of each shape.",
    ),
    click.option(
        "--volume-points",
        "volume",
        type=click.IntRange(2),
        default=ParameterDefault(_point_counts, "volume"),
        show_default=True,
        help="Half inside, half outside.",
    ),
    click.option(
        "--near-points",
        "near",
        type=click.IntRange(2),
        default=ParameterDefault(_point_counts, "near"),
        show_default=True,
        help="Half 0.005, half 0.05 from the surface.",
    ),
)


@click.group(cls=OfflineGroup)
def data() -> None:
    """Make training data."""


@data.command()
@output_option
@click.option(
    "--per-category", type=click.IntRange(0), required=True, help="Shapes of each category."
)
@parameter_option(
    _synthesize,
    "jumbles",
    click.IntRange(0),
    "Unlabelled unions of random solids, for the autoencoder.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@parameter_option(
    _synthesize, "split", click.Choice(["train", "test"]), "The splits never share a shape."
)
@parameter_option(_synthesize, "device", str, "Torch device that evaluates the shapes.")
@parameter_option(_synthesize, "batch", click.IntRange(1), "Shapes evaluated at once.")
@parameter_option(_synthesize, "workers", click.IntRange(1), "Processes that share the work.")
@_points_options
@json_option
def synth(
    output: Path, as_json: bool, surface: int, volume: int, near: int, **settings: Any
) -> None:
    """Write shards of procedural shapes of the seven categories."""
    points = _point_counts()(surface, volume, near)
    written = _synthesize()(output, points=points, **settings)
    if as_json:
        click.echo(json.dumps({"folder": str(output), "shapes": written}))
    else:
        click.echo(f"{output}: {written} shapes written")


@data.command()
@click.argument("folder", type=EXISTING_FOLDER)
@output_option
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Order of files, and points.",
)
@parameter_option(_prepare_meshes, "workers", click.IntRange(1), "Processes.")
@click.option("--limit", type=click.IntRange(1), help="Take only the first so many files.")
@click.option(
    "--labels",
    type=EXISTING_FILE,
    help="CSV with columns file and category.  [default: sub-folders]",
)
@parameter_option(
    _prepare_meshes,
    "timeout",
    click.FloatRange(0, min_open=True),
    "Seconds after which a mesh is skipped.",
)
@parameter_option(
    _selection,
    "split",
    click.Choice(["all", "train", "test"]),
    "Take only this part of the files; the two never share one.",
)
@parameter_option(
    _selection, "held_out", click.FloatRange(0, 1), "Share of the files in the test part."
)
@click.option(
    "--exclude",
    multiple=True,
    help="Leave out meshes whose name relative to FOLDER matches; may be given several times.",
)
@_points_options
@json_option
def prepare(
    folder: Path,
    output: Path,
    as_json: bool,
    surface: int,
    volume: int,
    near: int,
    split: str,
    held_out: float,
    exclude: tuple[str, ...],
    **settings: Any,
) -> None:
    """Write shards of the meshes in FOLDER; those without a clear inside are skipped.

    The category of a mesh is its sub-folder of FOLDER, or what --labels says. A run that was
    stopped goes on where it was when it is given again.
    """
    points = _point_counts()(surface, volume, near)
    selection = _selection()(split, held_out, exclude)
    report = _prepare_meshes()(folder, output, points=points, selection=selection, **settings)
    skipped, duplicates = len(report.skipped), len(report.duplicates)
    if as_json:
        counts = {"shapes": report.prepared, "skipped": skipped, "duplicates": duplicates}
        click.echo(json.dumps({"folder": str(output)} | counts))
    else:
        click.echo(
            f"{output}: {report.prepared} shapes, {skipped} skipped, {duplicates} duplicates; "
            "report.md says why"
        )
