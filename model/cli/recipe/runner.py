"""Running a recipe: its stages in order, each once, going on where the last start ended."""

from __future__ import annotations

import json
import shlex
import signal
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from model.cli.command import ExpectedFailure
from model.cli.data import synth
from model.cli.recipe.budget import OutOfTime
from model.cli.recipe.carrying import write_list
from model.cli.recipe.checks import check, check_prepared
from model.cli.recipe.recipe import Recipe
from model.cli.recipe.record import Record
from model.cli.recipe.stages import DATA, MODEL, Machine, Stage, stages
from model.cli.recipe.tables import RecipeError
from model.training.log import LOG_FILE, Log
from model.training.state import is_finished, keep_average


def run_recipe(recipe: Recipe, machine: Machine, *, check_only: bool = False) -> None:
    """Do what is left of a recipe in the machine's run folder; or only check that it can be done.

    Raises:
        ValueError: the recipe, the data or the folder is not what it has to be; nothing was begun.
        OutOfTime: of the time budget around it; the state is saved.
    """
    planned = stages(recipe)
    check(recipe, planned)
    for name in machine.prepared:
        if name not in recipe.prepared:
            raise RecipeError(f"{recipe.file} has no [data.{name}] that is prepared")
    record = Record.open(machine.run)
    record.require_same(recipe.config.to_dict(), planned)
    left = [stage for stage in planned if not record.done(stage)]
    notes: list[str] = []
    found = [_with_data(stage, recipe, machine, notes) for stage in left]
    given = [stage for stage in found if stage is not None]
    check_prepared(recipe, given, machine)
    for note in notes:
        click.echo(note)
    if check_only:
        click.echo(f"{recipe.file}: {len(planned)} stages, {len(given)} to do")
        return
    machine.run.mkdir(parents=True, exist_ok=True)
    model = machine.run / MODEL
    model.write_text(json.dumps(recipe.config.to_dict(), indent=2) + "\n")
    record.save()
    _Run(machine, record, planned).carry_out(given, len(planned))


def _with_data(stage: Stage, recipe: Recipe, machine: Machine, notes: list[str]) -> Stage | None:
    """The stage with the data there is; None where it has none to evaluate on; a note of either.

    Raises:
        RecipeError: data is not given that has to be.
    """
    absent = [n for n in stage.step.data if n in recipe.prepared and n not in machine.prepared]
    for name in absent:
        if recipe.prepared[name]:
            raise stage.step.table.error(f"data {name} is required: give --prepared {name}=FOLDER")
    if not absent:
        return stage
    kept = tuple(name for name in stage.step.data if name not in absent)
    if stage.trains is None:
        notes.append(f"{stage.name}: skipped, {', '.join(absent)} is not given (--prepared)")
        return None
    if not kept:
        raise stage.step.table.error(f"none of its data is given: --prepared {absent[0]}=FOLDER")
    notes.append(f"{stage.name}: without {', '.join(absent)}, which is not given (--prepared)")
    return replace(stage, step=replace(stage.step, data=kept))


@dataclass(frozen=True)
class _Run:
    machine: Machine
    record: Record
    planned: Sequence[Stage]  # all, for the list of files to carry

    def carry_out(self, left: Sequence[Stage], count: int) -> None:
        """Run stages; data sets again where a stage needs them that are not there."""
        place = {stage.name: number for number, stage in enumerate(self.planned, start=1)}
        for stage in self.planned:
            if self.record.done(stage):
                seconds = self.record.entry(stage)["seconds"]
                click.echo(f"[{place[stage.name]}/{count}] {stage.name}: done before, {seconds} s")
        needed = {name for stage in left for name in stage.step.data}
        makers = [s for s in self.planned if s.command is synth and self._made(s) in needed]
        others = [stage for stage in left if stage.command is not synth]
        unused = [s for s in left if s.command is synth and s not in makers]
        for stage in unused:
            click.echo(f"{stage.name}: skipped, no stage that is left uses it")
        failures: list[str] = []
        for stage in [*makers, *others]:
            click.echo(f"[{place[stage.name]}/{count}] {stage.name}")
            self.record.entry(self.planned[place[stage.name] - 1])  # with data that was not given
            with self._noted(), self._surviving(stage, failures):
                self._do(stage)
            click.echo(f"{stage.name}: {self.record.entry(stage)['seconds']} s")
        if failures:
            raise ValueError(f"all else is done, but {'; '.join(failures)}")

    @staticmethod
    def _made(stage: Stage) -> str:
        return Path(stage.folders["--output"]).relative_to(DATA).as_posix()

    @staticmethod
    @contextmanager
    def _surviving(stage: Stage, failures: list[str]) -> Iterator[None]:
        """Let nothing else wait for an evaluation that fails, as a model can be too bad for it."""
        try:
            yield
        except (ExpectedFailure, ImportError) as failure:  # or a package of pictures is not there
            if not stage.measures:
                raise
            click.echo(f"{stage.name} failed: {failure}", err=True)
            failures.append(f"{stage.name} failed ({failure})")

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Turn the alarm's end of a training into `OutOfTime`, and list what to carry."""
        try:
            yield
        except click.exceptions.Exit as stopped:
            if stopped.exit_code != 128 + signal.SIGALRM:
                raise
            raise OutOfTime from stopped
        finally:
            self._list()

    def _list(self) -> None:
        write_list(self.machine.run, self.planned, self.record)

    def _do(self, stage: Stage) -> None:
        folder = None if stage.trains is None else self.machine.run / stage.trains
        entry = self.record.entry(stage)
        steps = entry.get("steps")
        if (
            stage.step.minutes is not None
            and steps is None
            and not (folder and is_finished(folder))
        ):
            assert folder is not None
            measured = self._measured(stage)
            with self.record.timed(stage, finishes=False):
                self._invoke(stage, measured)
            steps = entry["steps"] = _fixed_steps(folder, stage.step.minutes, measured)
            self.record.save()
            click.echo(f"{stage.name}: {stage.step.minutes:g} minutes are {steps} steps here")
        command = ["lagem", *stage.words, *stage.arguments(self.machine, steps)]
        with self.record.timed(stage, command=shlex.join(command)):
            if folder is None:
                self._invoke(stage)
            elif not is_finished(folder):  # a kill came after that, before the record knew
                self._invoke(stage, steps)
                keep_average(folder)

    def _measured(self, stage: Stage) -> int:
        """Steps that the speed is measured by: of the warm-up, whose rate no schedule changes."""
        values = stage.parsed(self.machine, 1).params
        return int(values["warmup"] // values["log_every"] * values["log_every"])

    def _invoke(self, stage: Stage, steps: int | None = None) -> None:
        with stage.parsed(self.machine, steps) as context:
            stage.command.invoke(context)


def _fixed_steps(folder: Path, minutes: float, done: int) -> int:
    """Steps that fit in the minutes, by the speed of those done and what they took in all."""
    rows = Log(folder / LOG_FILE).rows()
    speed = statistics.median(float(row["seconds_per_step"]) for row in rows[1:])
    return done + max(1, int((60 * minutes - float(rows[-1]["seconds"])) / speed))
