"""Everything about a recipe that can be known wrong before the first stage is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from model.cli.data import synth
from model.cli.recipe.recipe import Recipe
from model.cli.recipe.stages import Machine, Stage
from model.cli.train import autoencoder, diffusion

MEASURED_LINES = 3  # log lines that seconds per step are measured by, the first left out


def check(recipe: Recipe, planned: Sequence[Stage]) -> None:
    """Parse every stage's command, and build what its options are to build.

    Raises:
        RecipeError: a setting is missing or cannot be.
    """
    for stage in planned:
        steps = None if stage.step.minutes is None else 1
        with _parsed(stage, steps) as context:
            try:
                _check_values(recipe, stage, context.params)
            except ValueError as error:
                raise stage.step.table.error(str(error)) from None


def check_prepared(recipe: Recipe, planned: Sequence[Stage], machine: Machine) -> None:
    """Look into the data that is given and the checkpoints that a stage begins with.

    Raises:
        RecipeError: they do not fit.
    """
    from model.checkpoint import load_checkpoint
    from model.data.shards import read_headers, shard_files
    from model.training.settings import differences, weight_sizes

    for stage in planned:
        table = stage.step.table
        try:
            if stage.trains is not None:
                given = [machine.prepared[n] for n in stage.step.data if n in machine.prepared]
                headers = read_headers([file for folder in given for file in shard_files(folder)])
                made = [_points(recipe, n) for n in stage.step.data if n in recipe.synthesised]
                if headers and any(points != headers[0].points for points in made):
                    raise ValueError(
                        f"{given[0]} holds {headers[0].points} a shape, the recipe makes "
                        f"{made[0]}: state the same in [points]"
                    )
            if "from" in stage.step.settings:
                source = Path(stage.step.settings["from"])
                if not source.is_dir():
                    raise ValueError(f"from: there is no folder {source}")
                theirs = load_checkpoint(source).config
                whole = stage.command is diffusion
                parts = ("autoencoder", "cascade") if whole else ("autoencoder",)
                ours = weight_sizes(recipe.config, parts)
                if changed := differences(weight_sizes(theirs, parts), ours):
                    raise ValueError(f"from is another model than [model] ({'; '.join(changed)})")
        except ValueError as error:
            raise table.error(str(error)) from None


def _parsed(stage: Stage, steps: int | None) -> click.Context:
    """The stage's command, parsed as if every folder of the run were there."""
    folders = {option: "." for option in stage.folders if option != "--preset"}
    here = Machine(Path(), {name: Path() for name in stage.step.data})
    if "--preset" in stage.folders:
        folders["--preset"] = "model.json"
    settings = stage.step.settings
    if "from" in settings:  # `check_prepared` looks into it
        settings = {**settings, "from": "."}
    step = replace(stage.step, settings=settings)
    return replace(stage, folders=folders, step=step).parsed(here, steps)


def _check_values(recipe: Recipe, stage: Stage, values: dict[str, Any]) -> None:
    if stage.command is synth:
        from model.data.shards import PointCounts
        from model.data.synthesize import shape_names

        PointCounts(values["surface"], values["volume"], values["near"])
        names = ("per_category", "jumbles", "seed", "split")
        if not shape_names(**{name: values[name] for name in names}):
            raise ValueError("per_category and jumbles are both 0: no shape is asked for")
    elif stage.command in (autoencoder, diffusion):
        _check_training(recipe, stage, values)
    for category in values.get("categories") or () if stage.trains is None else ():
        known = recipe.config.cascade.categories if recipe.config.cascade else ()
        if category not in known:
            raise ValueError(f"no category {category!r} in the model: it has {', '.join(known)}")


def _check_training(recipe: Recipe, stage: Stage, values: dict[str, Any]) -> None:
    from model.data.datasets import BatchConfig
    from model.training.hiding import Hiding
    from model.training.loop import TrainingConfig

    for config in (TrainingConfig, BatchConfig, Hiding):
        names = [field.name for field in fields(config) if field.name in values]
        config(**{name: values[name] for name in names})
    finest = recipe.config.autoencoder.levels[-1].tokens
    if values["surface_points"] < finest:
        raise ValueError(f"surface_points must be at least the finest level's {finest} tokens")
    if stage.command is diffusion and recipe.config.cascade is None:
        raise ValueError("the model has no cascade to train")
    lines = values["warmup"] // values["log_every"]
    if stage.step.minutes is not None and lines < MEASURED_LINES:
        raise ValueError(
            f"minutes are turned into steps by the speed of the warm-up: warmup must be at least "
            f"{MEASURED_LINES} times log_every, not {values['warmup']} and {values['log_every']}"
        )


def _points(recipe: Recipe, name: str) -> Any:
    from model.data.shards import PointCounts

    names = {"surface_points": "surface", "volume_points": "volume", "near_points": "near"}
    settings = recipe.synthesised[name].settings
    return PointCounts(**{names[key]: value for key, value in settings.items() if key in names})
