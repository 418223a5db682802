"""The model of a recipe: a preset, or sizes of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.cli.recipe.tables import Table
from model.config import PRESETS, ConfigError, ModelConfig

_FORM = PRESETS["starter"].to_dict()  # has every key, and a value of the right kind


def model(table: Table) -> tuple[str | None, ModelConfig, tuple[str, ...]]:
    """The preset's name if it is one, the sizes, and categories in place of the preset's.

    Raises:
        RecipeError: there is no such preset, or the sizes make no model.
    """
    if "preset" not in table.values:
        return None, _own(table), ()
    preset = table.take("preset", str)
    if preset not in PRESETS:
        raise table.error(f"no preset {preset!r}: choose one of {', '.join(PRESETS)}")
    config = PRESETS[preset]
    categories = table.take_names("categories") if "categories" in table.values else ()
    table.end()
    if categories:
        if config.cascade is None:
            raise table.error(f"the preset {preset} has no cascade to give categories to")
        config = replace(config, cascade=replace(config.cascade, categories=categories))
    return preset, config, categories


def _own(table: Table) -> ModelConfig:
    for name in ("name", "version", "licence", "autoencoder"):
        if name not in table.values:
            raise table.error(f"{name} is missing (or give a preset)")
    _require_kinds(table, table.values, _FORM, "")
    try:
        return ModelConfig.from_dict(table.values)
    except KeyError as error:
        raise table.error(f"{error.args[0]} is missing") from None
    except (ConfigError, TypeError) as error:
        raise table.error(str(error)) from None


def _require_kinds(table: Table, value: Any, form: Any, name: str) -> None:
    """Refuse a value of another kind than `form` has; keys that it has not are looked at later."""
    if isinstance(form, dict) and isinstance(value, dict):
        for key in value:
            if key in form:
                dotted = f"{name}.{key}" if name else key
                _require_kinds(table, value[key], form[key], dotted)
    elif isinstance(form, list | tuple) and isinstance(value, list):
        for number, each in enumerate(value, start=1):
            _require_kinds(table, each, form[0], f"{name} {number}")
    elif not (type(value) is type(form) or (type(form) is float and type(value) is int)):
        raise table.error(f"{name} cannot be {value!r}: write something like {form!r}")
