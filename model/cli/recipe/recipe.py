"""A recipe: what is to be made of what, as its TOML file states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.cli.recipe.sizes import model
from model.cli.recipe.tables import Table
from model.config import ModelConfig

EVALUATIONS = ("reconstruction", "levels", "noise", "generation", "steps")
WITHOUT_DATA, WITH_BASELINE = ("levels",), ("generation",)  # of them

_EVERY_STAGE = "[[autoencoder]] and [[denoiser]]"
_OWNERS = {
    "steps": _EVERY_STAGE,
    "minutes": _EVERY_STAGE,
    "data": "[[autoencoder]] and [latents]",
    "level": "[[denoiser]]",
}
"""Keys that no table of common settings can have, and the tables that have them."""

Settings = Mapping[str, Any]
"""Options of a command by name, as TOML values."""


@dataclass(frozen=True)
class Step:
    """One entry of a recipe that a command carries out."""

    table: Table  # where it stands, for errors
    settings: Settings
    data: tuple[str, ...] = ()  # names of data sets
    minutes: float | None = None  # of training, in place of steps


@dataclass(frozen=True)
class Recipe:
    """All of a file."""

    file: Path
    preset: str | None  # None: sizes of its own
    config: ModelConfig
    own_categories: tuple[str, ...]  # in place of the preset's; none: those
    synthesised: Mapping[str, Step]  # data sets by name
    prepared: Mapping[str, bool]  # others, given on the command line; whether they have to be
    phases: tuple[Step, ...]  # of the autoencoder, each from the weights of the one before
    latents: Step | None
    denoisers: tuple[Step, ...]
    evaluations: tuple[tuple[str, str, Step], ...]  # name, kind
    gallery: Step | None

    @classmethod
    def read(cls, file: Path) -> Recipe:
        """Read a TOML file.

        Raises:
            RecipeError: a table or a key is missing, unknown or of a wrong type.
        """
        whole = Table.read(file)
        preset, config, categories = model(whole.take_table("model"))
        synthesised, prepared = _data(whole)
        names = (*synthesised, *prepared)
        common = _common(whole)
        phases = tuple(
            _training(t, common, names, "data") for t in whole.take_tables("autoencoder")
        )
        if not phases:
            raise whole.error("[[autoencoder]] is missing")
        latents, denoisers = _denoisers(whole, common, names)
        evaluations = _evaluations(whole, names)
        gallery = _step(whole.take_table("gallery"), ()) if "gallery" in whole.values else None
        whole.end()
        return cls(
            file,
            preset,
            config,
            categories,
            synthesised,
            prepared,
            phases,
            latents,
            denoisers,
            evaluations,
            gallery,
        )


def _data(whole: Table) -> tuple[dict[str, Step], dict[str, bool]]:
    """Data sets that are made, and those that are given."""
    points = whole.take("points", dict, {})
    tables = whole.take_table("data")
    synthesised, prepared = {}, {}
    for name in list(tables.values):
        table = tables.take_table(name)
        _require_plain(table, name)
        if "prepared" in table.values:
            need = table.take("prepared", str)
            if need not in ("required", "optional"):
                raise table.error(f'prepared must be "required" or "optional", not {need!r}')
            table.end()
            prepared[name] = need == "required"
        else:
            synthesised[name] = Step(table, points | table.values)
    return synthesised, prepared


def _common(whole: Table) -> Settings:
    """The settings of all stages of training."""
    table = whole.take_table("training") if "training" in whole.values else None
    if table is None:
        return {}
    _refuse_own(table)
    return table.values


def _denoisers(
    whole: Table, common: Settings, names: tuple[str, ...]
) -> tuple[Step | None, tuple[Step, ...]]:
    """The latents and the denoisers that are trained on them; neither, or both."""
    tables = whole.take_tables("denoiser")
    if not tables:
        if "latents" in whole.values:
            raise whole.take_table("latents").error(
                "there is no [[denoiser]] to be trained on them: write one for each level, or "
                "take [latents] out"
            )
        return None, ()
    latents = _step(whole.take_table("latents"), names)
    _refuse_own(latents.table)
    shared = {**common, **latents.settings}
    return latents, tuple(_training(table, shared) for table in tables)


def _refuse_own(table: Table) -> None:
    """Refuse in a table of common settings what each stage states for itself."""
    for key, owners in _OWNERS.items():
        if key in table.values:
            raise table.error(f"{key} is not common: state it in every {owners}, not here")


def _training(table: Table, common: Settings, names: tuple[str, ...] = (), *keys: str) -> Step:
    """A stage of training: its settings over those of all, and its steps or minutes."""
    minutes = table.take("minutes", float) if "minutes" in table.values else None
    if (minutes is None) == ("steps" not in table.values):
        raise table.error("give steps or minutes, one of them")
    if minutes is not None and not 0 < minutes < float("inf"):
        raise table.error(f"minutes must be positive, not {minutes}")
    data = _named(table, names) if keys else ()
    return Step(table, {**common, **table.values}, data, minutes)


def _evaluations(whole: Table, names: tuple[str, ...]) -> tuple[tuple[str, str, Step], ...]:
    found: dict[str, tuple[str, str, Step]] = {}
    for table in whole.take_tables("evaluation"):
        kind = table.take("kind", str)
        if kind not in EVALUATIONS:
            raise table.error(f"no kind {kind!r}: choose one of {', '.join(EVALUATIONS)}")
        name = table.take("name", str, kind)
        _require_plain(table, name)
        if name in found:
            raise table.error(f"name {name!r} is another evaluation's too")
        found[name] = (name, kind, Step(table, table.values, _compared(table, kind, names)))
    return tuple(found.values())


def _compared(table: Table, kind: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The data sets of an evaluation, the baseline's last."""
    for key, kinds in (
        ("data", [each for each in EVALUATIONS if each not in WITHOUT_DATA]),
        ("baseline", WITH_BASELINE),
    ):
        if key in table.values and kind not in kinds:
            raise table.error(
                f"{key} is of no use to kind {kind!r}, only to {', '.join(kinds)}: take it out"
            )
    data = () if kind in WITHOUT_DATA else (table.take("data", str),)
    _require_known(table, data, names)
    if "baseline" not in table.values:
        return data
    baseline = table.take("baseline", str)
    _require_known(table, (baseline,), names, key="baseline")
    if baseline in data:
        raise table.error(f"baseline must be other data than data, not {baseline!r} too")
    return (*data, baseline)


def _step(table: Table, names: tuple[str, ...]) -> Step:
    data = _named(table, names) if names else ()
    return Step(table, table.values, data)


def _named(table: Table, names: tuple[str, ...]) -> tuple[str, ...]:
    data = table.take_names("data")
    _require_known(table, data, names)
    return data


def _require_plain(table: Table, name: str) -> None:
    """Refuse a name that is no folder's, so that nothing is written outside of the run."""
    if not name or "/" in name or name.startswith("."):
        raise table.error(f"name {name!r} must be that of a folder")


def _require_known(
    table: Table, data: tuple[str, ...], names: tuple[str, ...], key: str = "data"
) -> None:
    for name in data:
        if name not in names:
            raise table.error(f"{key}: no [data.{name}], there are {', '.join(names)}")
