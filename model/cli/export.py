"""`lagem train export`: a run as a checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click

from model.cli.command import OfflineCommand
from model.cli.options import EXISTING_FOLDER, FOLDER, json_option


@click.command(cls=OfflineCommand)
@click.argument("run", type=EXISTING_FOLDER)
@click.option("-o", "--output", type=FOLDER, required=True, help="Checkpoint folder to write.")
@json_option
def export(run: Path, output: Path, as_json: bool) -> None:
    """Join the averaged stages of RUN into a checkpoint, in half precision.

    A run without any trained denoiser gives a checkpoint that encodes and decodes only.
    """
    from model.checkpoint import save_checkpoint
    from model.cli.runfolder import RunFolder

    folder = RunFolder.open(run)
    autoencoder, step = folder.autoencoder()
    levels = folder.trained_levels()
    cascade = folder.cascade() if levels else None
    config = folder.config if levels else replace(folder.config, cascade=None)
    sha256 = save_checkpoint(output, config, autoencoder, cascade)
    if as_json:
        facts = {"weights": str(output), "sha256": sha256, "step": step, "levels": levels}
        click.echo(json.dumps(facts))
    else:
        denoisers = f"denoisers of levels {levels}" if levels else "no denoisers"
        click.echo(f"{output}: autoencoder of step {step}, {denoisers}, SHA-256 {sha256}")
