"""`lagem train recipe`."""

from __future__ import annotations

from pathlib import Path

import click

from model.cli.command import OfflineCommand
from model.cli.options import EXISTING_FILE, FOLDER, FiniteRange, threads_option, use_threads


class Prepared(click.ParamType[tuple[str, Path]]):
    """NAME=FOLDER: data of a recipe, by name."""

    name = "NAME=FOLDER"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Take the two apart; the folder must exist."""
        name, equals, folder = value.partition("=")
        if not (name and equals and Path(folder).is_dir()):
            self.fail(f"{value!r} is not NAME=FOLDER with a folder that exists", param, ctx)
        return name, Path(folder)


@click.command(cls=OfflineCommand)
@click.argument("recipe", type=EXISTING_FILE)
@click.option("--run", type=FOLDER, required=True, help="Folder of everything that is made.")
@click.option(
    "--prepared",
    type=Prepared(),
    multiple=True,
    help="Shards (for evaluations, meshes too) that the recipe names and does not make.",
)
@click.option(
    "--minutes",
    type=FiniteRange(0, min_open=True),
    help="Stop after so long, with exit code 75: the same command goes on.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="What everything runs on.",
)
@threads_option
@click.option("--check", "check_only", is_flag=True, help="Read and check the recipe, no more.")
def recipe(
    recipe: Path,
    run: Path,
    prepared: tuple[tuple[str, Path], ...],
    minutes: float | None,
    device: str,
    threads: int | None,
    check_only: bool,
) -> None:
    """Train, export, evaluate and draw a model as the file RECIPE says (docs/training.md).

    Stages that are done are skipped and one that was stopped goes on, whatever ended it. The run's
    recipe.json has each stage's command and wall time.
    """
    from torch.distributed import is_torchelastic_launched

    from model.cli.recipe.budget import EXIT_CODE, OutOfTime, time_budget
    from model.cli.recipe.carrying import LIST_FILE, listed_size
    from model.cli.recipe.recipe import Recipe
    from model.cli.recipe.runner import run_recipe
    from model.cli.recipe.stages import Machine
    from model.device import resolve_device

    resolve_device(device)
    use_threads(threads)
    if is_torchelastic_launched():
        raise ValueError("a recipe is run by one process: start it without torchrun")
    machine = Machine(run, dict(prepared), device, threads)
    try:
        with time_budget(minutes):
            run_recipe(Recipe.read(recipe), machine, check_only=check_only)
    except OutOfTime:
        files, size = listed_size(run)
        click.echo(
            f"stopped, the {minutes:g} minutes are over: give the same command again to go on "
            f"(elsewhere with the {files} files, {size / 1e6:.1f} MB, of {run / LIST_FILE})",
            err=True,
        )
        raise click.exceptions.Exit(EXIT_CODE) from None
