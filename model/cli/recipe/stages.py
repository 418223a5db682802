"""The stages of a recipe in order, each a command with options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from model.cli.data import synth
from model.cli.evaluation import evaluate, gallery
from model.cli.export import export
from model.cli.recipe.recipe import Recipe, Step
from model.cli.recipe.tables import Table
from model.cli.train import autoencoder, diffusion

DATA, MODEL, TRAINED, WEIGHTS = "data", "model.json", "train", "weights"
REPORTS, GALLERY = "reports", "gallery"

_RUNNERS_OWN = frozenset(
    (
        "allow_changed_settings",
        "as_json",
        "categories",
        "data",
        "device",
        "output",
        "preset",
        "run",
        "threads",
        "weights",
    )
)
"""Parameters that the runner gives, by name; of evaluations `categories` is the recipe's."""


@dataclass(frozen=True)
class Machine:
    """Where the run's folder and the given data lie, and what runs it."""

    run: Path
    prepared: Mapping[str, Path]
    device: str = "auto"
    threads: int | None = None

    def data(self, name: str) -> Path:
        """The folder of a data set."""
        return self.prepared.get(name, self.run / DATA / name)


@dataclass(frozen=True)
class Stage:
    """One command of a recipe."""

    name: str
    words: tuple[str, ...]  # of the command
    command: click.Command
    step: Step
    folders: Mapping[str, str]  # option -> path in the run; "" is the command's argument
    fixed: Mapping[str, Any]  # further options
    data_options: tuple[str, ...] = ()  # one for all of the step's data, or one for each
    trains: str | None = None  # path in the run of the folder with the training's state

    @property
    def measures(self) -> bool:
        """Whether nothing is made of what it makes."""
        return self.words[0] in ("evaluate", "gallery")

    def arguments(self, machine: Machine, steps: int | None = None) -> list[str]:
        """The command line after the words; `steps` in place of minutes."""
        settings = self.step.settings if steps is None else {**self.step.settings, "steps": steps}
        words: list[str] = []
        for option, path in self.folders.items():
            words += [option] * bool(option) + [str(machine.run / path)]
        for option, value in self.fixed.items():
            for each in value if isinstance(value, tuple) else (value,):
                words += [option, str(each)]
        several = len(self.data_options) == 1
        names = self.step.data
        options = self.data_options * len(names) if several else self.data_options[: len(names)]
        for option, name in zip(options, names, strict=True):
            words += [option, str(machine.data(name))]
        words += as_arguments(self.command, settings, self.step.table)
        known = [parameter.name for parameter in self.command.params]
        if "device" in known:
            words += ["--device", machine.device]
        if "threads" in known and machine.threads is not None:
            words += ["--threads", str(machine.threads)]
        return words

    def parsed(self, machine: Machine, steps: int | None = None) -> click.Context:
        """The command with its arguments, ready to be invoked.

        Raises:
            RecipeError: an argument is wrong.
        """
        try:
            return self.command.make_context(self.words[-1], self.arguments(machine, steps))
        except click.UsageError as error:
            raise self.step.table.error(error.format_message()) from None

    def shown(self) -> dict[str, Any]:
        """What the recipe states of it, plain values."""
        stated = {"settings": dict(self.step.settings), "data": list(self.step.data)}
        return stated | {"fixed": {name: str(value) for name, value in self.fixed.items()}}


def stages(recipe: Recipe) -> list[Stage]:
    """All stages, in the order in which they are run."""
    made = [*_data(recipe), *_autoencoder(recipe), *_denoisers(recipe)]
    made.append(_exported(recipe, "export", TRAINED, WEIGHTS))
    made += [_evaluation(name, kind, step) for name, kind, step in recipe.evaluations]
    if recipe.gallery is not None:
        folders = {"--output": GALLERY, "--weights": WEIGHTS}
        made.append(Stage("gallery", ("gallery",), gallery, recipe.gallery, folders, {}))
    return made


def _data(recipe: Recipe) -> Iterator[Stage]:
    for name, step in recipe.synthesised.items():
        folders = {"--output": f"{DATA}/{name}"}
        yield Stage(f"data {name}", ("data", "synth"), synth, step, folders, {})


def _autoencoder(recipe: Recipe) -> Iterator[Stage]:
    """The phases; all but the last are exported, for the next one to start from."""
    categories = {"--categories": recipe.own_categories} if recipe.own_categories else {}
    count = len(recipe.phases)
    for number, step in enumerate(recipe.phases, start=1):
        last = number == count
        run = TRAINED if last else f"phase{number}"
        folders = {"--run": run}
        if number > 1:
            if "from" in step.settings:
                raise step.table.error("from: a later phase starts from the one before")
            folders["--from"] = f"phase{number - 1}/{WEIGHTS}"
        fixed: dict[str, Any] = categories
        if recipe.preset is None:
            folders["--preset"] = MODEL
        else:
            fixed = {"--preset": recipe.preset} | categories
        name = "autoencoder" if count == 1 else f"autoencoder {number}"
        words = ("train", "autoencoder")
        yield Stage(
            name, words, autoencoder, step, folders, fixed, ("--data",), f"{run}/autoencoder"
        )
        if not last:
            yield _exported(recipe, f"export {number}", run, f"{run}/{WEIGHTS}")


def _denoisers(recipe: Recipe) -> Iterator[Stage]:
    levels = len(recipe.config.autoencoder.levels)
    seen: set[int] = set()
    for step in recipe.denoisers:
        assert recipe.latents is not None
        level = step.settings.get("level")
        if isinstance(level, int) and (not 1 <= level <= levels or level in seen):
            raise step.table.error(f"level must be one of 1 to {levels}, each once, not {level}")
        seen.add(level if isinstance(level, int) else 0)
        both = replace(step, data=recipe.latents.data)
        folders, trains = {"--run": TRAINED}, f"{TRAINED}/level{level}"
        words = ("train", "diffusion")
        yield Stage(f"level {level}", words, diffusion, both, folders, {}, ("--data",), trains)
    if seen and len(seen) < levels:
        missing = sorted(set(range(1, levels + 1)) - seen)
        raise recipe.denoisers[0].table.error(f"a model needs all denoisers, missing {missing}")


def _evaluation(name: str, kind: str, step: Step) -> Stage:
    folders = {"--output": f"{REPORTS}/{name}", "--weights": WEIGHTS}
    options = ("--data", "--baseline")
    command = evaluate.commands[kind]
    return Stage(f"evaluate {name}", ("evaluate", kind), command, step, folders, {}, options)


def _exported(recipe: Recipe, name: str, run: str, output: str) -> Stage:
    step = Step(Table(recipe.file, name, {}), {})
    return Stage(name, ("train", "export"), export, step, {"": run, "--output": output}, {})


def as_arguments(command: click.Command, settings: Mapping[str, Any], table: Table) -> list[str]:
    """Settings as options of a command, checked by the types that TOML has."""
    own = _RUNNERS_OWN - ({"categories"} if command in evaluate.commands.values() else set())
    known = {
        option.lstrip("-").replace("-", "_"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name not in own
        for option in parameter.opts
    }
    words: list[str] = []
    for key, value in settings.items():
        if key not in known:
            raise table.error(f"unknown key {key}: known are {', '.join(sorted(known))}")
        words += _option(f"--{key.replace('_', '-')}", known[key], value, table, key)
    return words


def _option(option: str, parameter: click.Option, value: Any, table: Table, key: str) -> list[str]:
    if parameter.is_flag:
        if not isinstance(value, bool):
            raise table.error(f"{key} must be true or false, not {value!r}")
        return [option] * value
    if parameter.multiple or parameter.nargs > 1:
        count = f" of {parameter.nargs}" if parameter.nargs > 1 else ""
        if not isinstance(value, list) or (count and len(value) != parameter.nargs):
            raise table.error(f"{key} must be a list{count}, not {value!r}")
        words = [_word(parameter, each, table, key) for each in value]
        if parameter.multiple:
            return [word for each in words for word in (option, each)]
        return [option, *words]
    return [option, _word(parameter, value, table, key)]


def _word(parameter: click.Option, value: Any, table: Table, key: str) -> str:
    kinds: Sequence[tuple[Any, tuple[type, ...], str]] = (
        (click.types.IntParamType, (int,), "a whole number"),
        (click.types.FloatParamType, (int, float), "a number"),
        (click.ParamType, (str,), "a string"),
    )
    _, types, words = next(kind for kind in kinds if isinstance(parameter.type, kind[0]))
    if not isinstance(value, types) or isinstance(value, bool):
        raise table.error(f"{key} must be {words}, not {value!r}")
    return str(value)
