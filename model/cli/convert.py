"""`lagem convert`: the authors' released checkpoint as a checkpoint folder of this project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from model.cli.command import OfflineCommand
from model.cli.options import EXISTING_FILE, FOLDER, ParameterDefault, json_option


def _load_released() -> Any:
    from model.released import load_released

    return load_released


@click.command(cls=OfflineCommand)
@click.argument("source", metavar="OFFICIAL.PTH", type=EXISTING_FILE)
@click.option("-o", "--output", type=FOLDER, required=True, help="Checkpoint folder to write.")
@click.option("--name", default="lagem-released", show_default=True, help="Name of the model.")
@click.option(
    "--tokens",
    type=click.IntRange(2),
    nargs=3,
    default=ParameterDefault(_load_released, "tokens"),
    show_default="128 512 2048",
    help="Latent vectors of levels 3, 2, 1: the file does not tell.",
)
@click.option("--half", is_flag=True, help="Write half precision: half the size, not exact.")
@json_option
def convert(
    source: Path, output: Path, name: str, tokens: tuple[int, ...], half: bool, as_json: bool
) -> None:
    """Convert the released autoencoder OFFICIAL.PTH into a checkpoint folder.

    The folder serves with `lagem serve --weights`, encodes and decodes; it has no cascade, so it
    does not generate.
    """
    import torch

    from model.checkpoint import save_checkpoint
    from model.released import load_released

    config, autoencoder = load_released(source, name=name, tokens=tokens)
    dtype = torch.float16 if half else torch.float32
    sha256 = save_checkpoint(output, config, autoencoder, None, dtype)
    parameters = sum(parameter.numel() for parameter in autoencoder.parameters())
    if as_json:
        facts = {"weights": str(output), "sha256": sha256, "parameters": parameters}
        click.echo(json.dumps(facts))
    else:
        click.echo(
            f"{output}: {name}, {parameters / 1e6:.2f} M parameters, encodes and decodes, "
            f"SHA-256 {sha256}"
        )
