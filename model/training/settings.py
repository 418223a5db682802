"""What a run was begun with, against what it is asked to go on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model.config import ModelConfig


class ChangedSettingsError(ValueError):
    """A run asked to go on with settings that its curve up to here was not made with."""


def differences(kept: Any, asked: Any, name: str = "") -> list[str]:
    """Where two trees of plain values differ, each as "dotted.name: kept -> asked"."""
    if isinstance(kept, Mapping) and isinstance(asked, Mapping):
        names = [*kept, *(key for key in asked if key not in kept)]
        dotted = {key: f"{name}.{key}" if name else str(key) for key in names}
        return [
            line
            for key in names
            for line in differences(kept.get(key), asked.get(key), dotted[key])
        ]
    if isinstance(kept, list | tuple) and isinstance(asked, list | tuple):
        if len(kept) == len(asked) and any(isinstance(value, Mapping) for value in kept):
            pairs = zip(kept, asked, strict=True)
            return [
                line
                for index, (one, other) in enumerate(pairs)
                for line in differences(one, other, f"{name}[{index}]")
            ]
        kept, asked = list(kept), list(asked)  # JSON knows no tuples
    return [] if kept == asked else [f"{name}: {kept!r} -> {asked!r}"]


def weight_sizes(config: ModelConfig, parts: Sequence[str]) -> dict[str, Any]:
    """What the weights of some parts of a model depend on, plain values.

    How many latents a level has is not among it.
    """
    whole = config.to_dict()
    for level in whole["autoencoder"]["levels"]:
        del level["tokens"]
    return {part: whole[part] for part in parts}


def require_unchanged(kept: Mapping[str, Any], asked: Mapping[str, Any], where: str) -> None:
    """Let a run go on with the settings that it was begun with, and only those.

    Raises:
        ChangedSettingsError: they differ; the message names each with both values.
    """
    if changed := differences(kept, asked):
        raise ChangedSettingsError(
            f"{where} was made with other settings ({'; '.join(changed)}): give those again, "
            "begin another --run, or go on nonetheless with --allow-changed-settings"
        )
