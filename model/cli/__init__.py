"""The offline command line: `lagem encode`, `generate`, `resample`, `decode`, `data`, `train`, ...

Commands run the model directly, without a server. Whatever is slow to import (torch, the pipeline)
is imported by the command that needs it, so that help and mistakes are answered at once.
"""

import click

from model.cli.bench import bench
from model.cli.command import OfflineGroup
from model.cli.convert import convert
from model.cli.data import data
from model.cli.evaluation import evaluate, gallery
from model.cli.export import export
from model.cli.features import features
from model.cli.recipe.command import recipe
from model.cli.shapes import decode, encode, generate, resample
from model.cli.train import train

__all__ = ["main"]


@click.group(name="lagem", cls=OfflineGroup)
def main() -> None:
    """LaGeM, a large geometry model: meshes to per-level latents and back."""


for _command in (
    encode,
    generate,
    resample,
    decode,
    data,
    train,
    evaluate,
    gallery,
    convert,
    bench,
):
    main.add_command(_command)
train.add_command(export)
train.add_command(features)
train.add_command(recipe)
