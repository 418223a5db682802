"""`lagem train`: the two stages of training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model.cli.command import OfflineGroup
from model.cli.options import EXISTING_FOLDER, parameter_option, use_threads
from model.cli.trainingoptions import (
    axis_scaling_option,
    batch_config,
    batch_options,
    from_option,
    hiding_config,
    hiding_options,
    machine_options,
    on_disk_option,
    run_option,
    surface_points_option,
    training_config,
    training_options,
)
from model.config import PRESETS

if TYPE_CHECKING:
    import torch

    from model.autoencoder import AutoEncoder
    from model.checkpoint import Checkpoint
    from model.cli.runfolder import RunFolder
    from model.data.datasets import BatchConfig, TrainingShapes
    from model.training.diffusion import LatentSet

_ENCODED_AT_ONCE = {"cuda": 256}
"""Shapes whose latents are made in one batch, by kind of device; elsewhere a training batch's."""


def _train_autoencoder() -> Any:
    from model.training.autoencoder import train_autoencoder

    return train_autoencoder


def _train_denoiser() -> Any:
    from model.training.diffusion import train_denoiser

    return train_denoiser


@click.group(cls=OfflineGroup)
def train() -> None:
    """Train a model: autoencoder, then diffusion level by level, then export.

    A command that is stopped goes on where it was when it is given again. Started by torchrun, a
    stage is trained by all processes together.
    """


@train.command()
@click.option(
    "--preset",
    required=True,
    help=f"Model to train: {', '.join(PRESETS)}, or a file like a run's model.json.",
)
@click.option(
    "--data",
    type=EXISTING_FOLDER,
    multiple=True,
    required=True,
    help="Folder of shards; may be given several times.",
)
@on_disk_option
@run_option
@from_option
@click.option(
    "--categories",
    multiple=True,
    help="Categories of the run, a,b,c or one by one.  [default: the preset's]",
)
@training_options
@batch_options
@parameter_option(
    _train_autoencoder, "near_weight", click.FloatRange(0), "Of the near loss (Eq. 15)."
)
@hiding_options
@click.option(
    "--freeze-encoder",
    is_flag=True,
    help="Train the decoder alone; latents, and denoisers trained on them, keep their meaning.",
)
@machine_options
def autoencoder(
    preset: str,
    data: tuple[Path, ...],
    on_disk: bool,
    run: Path,
    source: Path | None,
    categories: tuple[str, ...],
    near_weight: float,
    freeze_encoder: bool,
    device: str,
    threads: int | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Stage 1: train the hierarchical autoencoder on shards."""
    import torch

    from model.autoencoder import AutoEncoder
    from model.cli.runfolder import RunFolder, contents
    from model.data.datasets import load_shapes
    from model.training.distributed import World, joined

    batch = _built(batch_config(), settings)
    hiding = _built(hiding_config(), settings)
    training = _built(training_config(), settings | {"samples": batch.shapes})
    use_threads(threads)
    with joined(device) as on:
        torch.manual_seed(training.seed)
        with World.current().leader_first():
            folder = RunFolder.create(run, preset, _split(categories))
            stage = folder.autoencoder_folder
            model = AutoEncoder(folder.config.autoencoder)
            inputs = {
                "data": contents(data),
                "batch": asdict(batch),
                "near_weight": near_weight,
                "hiding": asdict(hiding),
                "freeze_encoder": freeze_encoder,
            }
            if source is not None:
                checkpoint = _checkpoint(source, folder, "autoencoder")
                model.load_state_dict(checkpoint.autoencoder.state_dict())
                inputs["from"] = checkpoint.sha256
            if freeze_encoder:
                if source is None and not folder.has_state(stage):
                    raise click.UsageError(
                        "--freeze-encoder of a new run needs trained weights: give --from"
                    )
                model.freeze_encoder()
            folder.keep_inputs(
                stage,
                inputs,
                defaults={"hiding": asdict(hiding_config()()), "freeze_encoder": False},
                changes_allowed=training.allow_changed_settings,
            )
        shapes = load_shapes(data, on, folder.categories, on_disk=on_disk)
        if categories:
            _require_labels(shapes, folder.categories)
        _train_autoencoder()(model.to(on), shapes, stage, training, batch, near_weight, hiding)
        _report(stage, as_json)


@train.command()
@click.option("--level", type=click.IntRange(1), required=True, help="3 is the coarsest of three.")
@run_option
@from_option
@click.option(
    "--data",
    type=EXISTING_FOLDER,
    multiple=True,
    help="Folder of shards; needed where the run has no latents of its autoencoder yet.",
)
@on_disk_option
@click.option(
    "--draws",
    type=click.IntRange(1),
    default=20_000,
    show_default=True,
    help="Upright augmented shapes whose latents are made and trained on.",
)
@surface_points_option
@axis_scaling_option
@parameter_option(_train_denoiser, "batch", click.IntRange(1), "Latents in a micro-batch.")
@training_options
@machine_options
def diffusion(
    level: int,
    run: Path,
    source: Path | None,
    data: tuple[Path, ...],
    on_disk: bool,
    draws: int,
    surface_points: int,
    axis_scaling: tuple[float, float],
    batch: int,
    device: str,
    threads: int | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Stage 2: train the denoiser of one level on latents of the run's autoencoder.

    The latents are made once and kept in the run, for all levels.
    """
    import torch

    from model.cli.runfolder import RunFolder, contents
    from model.training.distributed import World, joined

    training = _built(training_config(), settings)
    use_threads(threads)
    folder = RunFolder.open(run)
    stage = folder.level_folder(level)
    # Generated shapes are to stand upright, and need no labelled queries.
    drawn = batch_config()(
        surface_points=surface_points,
        axis_scaling=axis_scaling,
        rotate=0.0,
        volume_queries=2,
        near_queries=1,
    )
    with joined(device) as on:
        torch.manual_seed(training.seed)
        cascade = folder.new_cascade()
        index = len(cascade.denoisers) - level
        if index < 0:
            raise click.BadParameter(
                f"{level}: the model has {len(cascade.denoisers)} levels", param_hint="--level"
            )
        inputs: dict[str, Any] = {"draws": draws, "drawn": asdict(drawn), "batch": batch}
        if data:
            inputs["data"] = contents(data)
        with World.current().leader_first():
            if source is not None:
                checkpoint = _checkpoint(source, folder, "autoencoder", "cascade")
                assert checkpoint.cascade is not None
                cascade.load_state_dict(checkpoint.cascade.state_dict())
                inputs["from"] = checkpoint.sha256
            trained = folder.autoencoder()
            inputs["autoencoder_step"] = trained[1]
            folder.keep_inputs(stage, inputs, changes_allowed=training.allow_changed_settings)
            latents = _latents(folder, trained, data, on_disk, drawn, draws, on)
        _train_denoiser()(
            cascade.denoisers[index].to(on),
            latents,
            index,
            stage,
            training,
            batch,
            cascade.config.condition_noise,
        )
        _report(stage, as_json)


def _built(config: Any, settings: dict[str, Any]) -> Any:
    """A config dataclass from those of the options that are its fields."""
    names = [field.name for field in fields(config)]
    return config(**{name: settings[name] for name in names if name in settings})


def _split(names: Sequence[str]) -> tuple[str, ...] | None:
    """Categories given as a,b,c or one by one; None: not given."""
    if not names:
        return None
    return tuple(name.strip() for given in names for name in given.split(","))


def _checkpoint(source: Path, folder: RunFolder, *parts: str) -> Checkpoint:
    """A checkpoint whose model has the run's sizes in `parts` of its config."""
    from model.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(source)
    folder.require_same_model(checkpoint, *parts)
    return checkpoint


def _require_labels(shapes: TrainingShapes, categories: Sequence[str]) -> None:
    """Refuse data in which no shape has any of the categories."""
    if not (shapes.category >= 0).any():
        raise ValueError(
            f"none of the {len(shapes)} shapes has a category of this run "
            f"({', '.join(categories)}): label them so, or begin a run with --categories"
        )


def _latents(
    folder: RunFolder,
    trained: tuple[AutoEncoder, int],  # and its step
    data: Sequence[Path],
    on_disk: bool,
    drawn: BatchConfig,
    draws: int,
    device: torch.device,
) -> LatentSet:
    """The run's training latents; made, and kept, where those there are of another autoencoder."""
    from model.cli.runfolder import contents
    from model.data.datasets import load_shapes
    from model.training.diffusion import encode_shapes

    autoencoder, step = trained
    source = {"step": str(step), "draws": str(draws), "batch": repr(drawn)}
    if data:
        source["data"] = "; ".join(contents(data))
    kept = folder.load_latents(source, device)
    if kept is not None:
        return kept
    if not data:
        raise click.UsageError(
            f"{folder.path} has no latents made of its autoencoder at step {step} with these "
            "settings: give --data"
        )
    shapes = load_shapes(data, device, folder.categories, on_disk=on_disk)
    if folder.categories:
        _require_labels(shapes, folder.categories)
    at_once = _ENCODED_AT_ONCE.get(device.type, drawn.shapes)
    batch = replace(drawn, shapes=at_once)
    made = encode_shapes(autoencoder.to(device), shapes, batch, draws, seed=0)
    folder.save_latents(made, source)
    return made


def _report(folder: Path, as_json: bool) -> None:
    """Print the last line of a stage's log, in the first process."""
    from model.training.distributed import World
    from model.training.log import LOG_FILE, Log

    if not World.current().leads:
        return
    last = Log(folder / LOG_FILE).rows()[-1]
    figures = {name: float(value) for name, value in last.items() if value}
    if as_json:
        click.echo(json.dumps({"folder": str(folder)} | figures))
    else:
        step = int(figures.pop("step"))
        facts = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        click.echo(f"{folder}: step {step}, {facts}")
