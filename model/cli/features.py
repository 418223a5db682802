"""`lagem train features`: the point features that generated shapes are compared by."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model.cli.command import OfflineCommand
from model.cli.options import (
    EXISTING_FOLDER,
    FOLDER,
    json_option,
    parameter_option,
    threads_option,
    use_threads,
)
from model.config import CATEGORIES

if TYPE_CHECKING:
    from model.evaluation.clouds import Clouds
    from model.evaluation.extractors import Extractor

_NAME = "pointnet"


def _training_config() -> Any:
    from model.training.loop import TrainingConfig

    return TrainingConfig


def _batch_config() -> Any:
    from model.training.features import FeatureBatchConfig

    return FeatureBatchConfig


@click.command(cls=OfflineCommand)
@click.option(
    "--data",
    type=EXISTING_FOLDER,
    multiple=True,
    required=True,
    help="Folder of shards or meshes, labelled; may be given several times.",
)
@click.option(
    "--held-out", type=EXISTING_FOLDER, multiple=True, help="The same, to measure the accuracy on."
)
@click.option("--run", type=FOLDER, required=True, help="Folder of the run.")
@click.option("-o", "--output", type=FOLDER, required=True, help="Folder for the features.")
@click.option("--steps", type=click.IntRange(1), required=True, help="Optimiser steps in all.")
@parameter_option(_batch_config, "shapes", click.IntRange(1), "Shapes in a batch.")
@parameter_option(_training_config, "learning_rate", float, "Peak learning rate.")
@parameter_option(_training_config, "seed", click.IntRange(0), "Of weights and batches.")
@threads_option
@json_option
def features(
    data: tuple[Path, ...],
    held_out: tuple[Path, ...],
    run: Path,
    output: Path,
    steps: int,
    shapes: int,
    learning_rate: float,
    seed: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """Train the features of `lagem evaluate generation`: a small classifier of point clouds.

    Without it, `evaluate generation` has the bundled features, so this is for other data.
    """
    import torch

    from model.evaluation.clouds import read_clouds
    from model.evaluation.extractors import load_features, save_features
    from model.nn.pointnet import PointNet
    from model.training.features import train_features

    use_threads(threads)
    training = _training_config()(steps=steps, learning_rate=learning_rate, seed=seed)
    batch = _batch_config()(shapes=shapes)
    clouds = [read_clouds(folder) for folder in data]
    tests = {folder.name: read_clouds(folder, count=batch.surface_points) for folder in held_out}
    torch.manual_seed(seed)
    points = torch.cat([torch.from_numpy(each.points) for each in clouds])
    labels = torch.tensor([CATEGORIES.index(name) for each in clouds for name in each.categories])
    trained = train_features(PointNet(len(CATEGORIES)), points, labels, run, training, batch)
    assert isinstance(trained, PointNet)
    facts = {"shapes": len(points), "batch": asdict(batch), "steps": steps}
    facts |= {"learning_rate": learning_rate, "seed": seed}
    sha256 = save_features(output, _NAME, trained, CATEGORIES, facts)
    extractor = load_features(output)
    accuracy = {name: _accuracy(extractor, test) for name, test in tests.items()}
    if as_json:
        click.echo(json.dumps({"features": str(output), "sha256": sha256, "accuracy": accuracy}))
        return
    click.echo(f"{output}: step {steps}, SHA-256 {sha256}")
    for name, shares in accuracy.items():
        each = ", ".join(f"{category} {share:.3f}" for category, share in shares.items())
        click.echo(f"accuracy on {name}: {each}")


def _accuracy(extractor: Extractor, test: Clouds) -> dict[str, float]:
    """Share of held-out shapes taken for what they are: of all, then by category."""
    found = extractor.recognised(test.points)
    assert found is not None
    right = [one == other for one, other in zip(found, test.categories, strict=True)]
    shares = {"all": sum(right) / len(right)}
    for category in dict.fromkeys(test.categories):
        hits = [hit for hit, name in zip(right, test.categories, strict=True) if name == category]
        shares[category] = sum(hits) / len(hits)
    return shares
