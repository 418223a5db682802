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
    json_option,
    output_option,
)


def _synthesize() -> Any:
    from model.data.synthesize import synthesize

    return synthesize


def _prepare_meshes() -> Any:
    from model.data.prepare import prepare_meshes

    return prepare_meshes


@click.group(cls=OfflineGroup)
def data() -> None:
    """Make training data."""


@data.command()
@output_option
@click.option(
    "--per-category", type=click.IntRange(0), required=True, help="Shapes of each category."
)
@click.option(
    "--jumbles",
    type=click.IntRange(0),
    default=ParameterDefault(_synthesize, "jumbles"),
    show_default=True,
    help="Unlabelled unions of random solids, for the autoencoder.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--split",
    type=click.Choice(["train", "test"]),
    default=ParameterDefault(_synthesize, "split"),
    show_default=True,
    help="The splits never share a shape.",
)
@click.option(
    "--device",
    default=ParameterDefault(_synthesize, "device"),
    show_default=True,
    help="Torch device that evaluates the shapes.",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=ParameterDefault(_synthesize, "batch"),
    show_default=True,
    help="Shapes evaluated at once.",
)
@json_option
def synth(output: Path, as_json: bool, **settings: Any) -> None:
    """Write shards of procedural shapes of the seven categories."""
    written = _synthesize()(output, **settings)
    if as_json:
        click.echo(json.dumps({"folder": str(output), "shapes": written}))
    else:
        click.echo(f"{output}: {written} shapes written")


@data.command()
@click.argument("folder", type=EXISTING_FOLDER)
@output_option
@click.option("--seed", type=int, default=0, show_default=True, help="Order of files, and points.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=ParameterDefault(_prepare_meshes, "workers"),
    show_default=True,
    help="Processes.",
)
@click.option("--limit", type=click.IntRange(1), help="Take only the first so many files.")
@click.option(
    "--labels", type=EXISTING_FILE, help="CSV with columns file and category.  [default: folders]"
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=ParameterDefault(_prepare_meshes, "timeout"),
    show_default=True,
    help="Seconds after which a mesh is skipped.",
)
@json_option
def prepare(folder: Path, output: Path, as_json: bool, **settings: Any) -> None:
    """Write shards of the meshes in FOLDER; those without a clear inside are skipped."""
    report = _prepare_meshes()(folder, output, **settings)
    skipped, duplicates = len(report.skipped), len(report.duplicates)
    if as_json:
        counts = {"shapes": report.prepared, "skipped": skipped, "duplicates": duplicates}
        click.echo(json.dumps({"folder": str(output)} | counts))
    else:
        click.echo(
            f"{output}: {report.prepared} shapes, {skipped} skipped, {duplicates} duplicates; "
            "report.json says why"
        )
