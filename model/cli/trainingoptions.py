"""The options that `lagem train`'s stages share; their defaults are those of the configs."""

from __future__ import annotations

from typing import Any

import click

from model.cli.options import (
    EXISTING_FOLDER,
    FOLDER,
    combined,
    json_option,
    parameter_option,
    threads_option,
)


def training_config() -> Any:
    """`TrainingConfig`, imported when it is needed."""
    from model.training.loop import TrainingConfig

    return TrainingConfig


def batch_config() -> Any:
    """`BatchConfig`, likewise."""
    from model.data.datasets import BatchConfig

    return BatchConfig


def hiding_config() -> Any:
    """`Hiding`, likewise."""
    from model.training.hiding import Hiding

    return Hiding


run_option = click.option("--run", type=FOLDER, required=True, help="Folder of the run.")
on_disk_option = click.option(
    "--on-disk",
    is_flag=True,
    help="Read shapes from disk as they are drawn, for data larger than memory.",
)
from_option = click.option(
    "--from",
    "source",
    type=EXISTING_FOLDER,
    help="Checkpoint folder whose weights a new run starts from.  [default: random weights]",
)
training_options = combined(
    click.option("--steps", type=click.IntRange(1), required=True, help="Optimiser steps in all."),
    parameter_option(
        training_config,
        "accumulate",
        click.IntRange(1),
        "Micro-batches that each process adds up in a step.",
    ),
    parameter_option(
        training_config,
        "precision",
        click.Choice(["float32", "bfloat16"]),
        "Of forward pass and loss; weights and optimiser stay float32.",
    ),
    click.option(
        "--compile",
        is_flag=True,
        help="Compile the model's modules: faster steps after a slow start, needs a C++ compiler.",
    ),
    parameter_option(training_config, "learning_rate", float, "Peak learning rate."),
    parameter_option(
        training_config, "final_learning_rate", float, "Share of the peak left at the end."
    ),
    parameter_option(training_config, "warmup", click.IntRange(0), "Steps of linear warm-up."),
    parameter_option(training_config, "weight_decay", float, "Decoupled weight decay."),
    parameter_option(training_config, "clip_norm", float, "Largest gradient norm."),
    parameter_option(training_config, "ema_decay", float, "Of the average that is exported."),
    parameter_option(training_config, "seed", click.IntRange(0), "Of weights and batches."),
    parameter_option(
        training_config, "save_every", click.IntRange(1), "Steps between checkpoints."
    ),
    parameter_option(training_config, "log_every", click.IntRange(1), "Steps between log lines."),
    click.option(
        "--allow-changed-settings",
        is_flag=True,
        help="Go on with a run although it was begun with other settings.",
    ),
)
machine_options = combined(
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="What to train on; under torchrun, cuda is the GPU of the local rank.",
    ),
    threads_option,
    json_option,
)
surface_points_option = parameter_option(
    batch_config, "surface_points", click.IntRange(1), "Points the encoder sees."
)
axis_scaling_option = parameter_option(
    batch_config, "axis_scaling", float, "Range of the random scaling.", values=2
)
batch_options = combined(
    parameter_option(batch_config, "shapes", click.IntRange(1), "Shapes in a micro-batch."),
    surface_points_option,
    parameter_option(batch_config, "volume_queries", click.IntRange(2), "Half of them inside."),
    parameter_option(batch_config, "near_queries", click.IntRange(1), "Queries near the surface."),
    parameter_option(
        batch_config, "rotate", click.FloatRange(0, 1), "Probability of a random rotation."
    ),
    axis_scaling_option,
)
hiding_options = combined(
    parameter_option(
        hiding_config,
        "hide_finer",
        click.FloatRange(0, 1),
        "Probability that the decoder sees only coarser levels of a shape.",
    ),
    parameter_option(
        hiding_config,
        "latent_noise",
        click.FloatRange(0, 1),
        "Largest share of noise in what it sees.",
    ),
)
