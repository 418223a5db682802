"""Tables of a TOML file, taken apart key by key, with errors that name file, table and key."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")

_WORDS = {
    dict: "a table",
    list: "a list",
    str: "a string",
    float: "a number",
    bool: "true or false",
}


class RecipeError(ValueError):
    """A recipe that cannot be followed; the message names the file and the key."""


@dataclass(frozen=True)
class Table:
    """What is left to take of one table."""

    file: Path
    name: str  # as in the file: "[latents]", "[[autoencoder]] 2"; "" is the file itself
    values: dict[str, Any]

    @classmethod
    def read(cls, file: Path) -> Table:
        """The whole file.

        Raises:
            RecipeError: it is no TOML.
        """
        try:
            return cls(file, "", tomllib.loads(file.read_text()))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RecipeError(f"{file} is no TOML file: {error}") from None

    def error(self, text: str) -> RecipeError:
        """A mistake in this table."""
        return RecipeError(": ".join(part for part in (str(self.file), self.name, text) if part))

    def take(self, key: str, kind: type[Value], default: Value | None = None) -> Value:
        """Take the value of a key; without a default it has to be there."""
        if key not in self.values:
            if default is None:
                raise self.error(f"{key} is missing")
            return default
        value = self.values.pop(key)
        number = kind is float and isinstance(value, int) and not isinstance(value, bool)
        if not isinstance(value, kind) and not number:
            raise self.error(f"{key} must be {_WORDS[kind]}, not {value!r}")
        return kind(value) if number else value  # type: ignore[call-arg]

    def take_names(self, key: str) -> tuple[str, ...]:
        """Take a list of strings, not empty."""
        names = self.take(key, list)
        if not names or not all(isinstance(name, str) for name in names):
            raise self.error(f"{key} must be a list of strings, not {names!r}")
        return tuple(names)

    def take_table(self, key: str) -> Table:
        """Take the table [key], which has to be there."""
        values = self.take(key, dict)
        name = self.name.strip("[]")
        return Table(self.file, f"[{name}.{key}]" if name else f"[{key}]", values)

    def take_tables(self, key: str) -> list[Table]:
        """Take the tables [[key]], none or more."""
        found = self.take(key, list, [])
        if not all(isinstance(values, dict) for values in found):
            raise self.error(f"{key} must be tables: write [[{key}]]")
        return [
            Table(self.file, f"[[{key}]] {number}", values)
            for number, values in enumerate(found, start=1)
        ]

    def end(self) -> None:
        """Nothing more is known.

        Raises:
            RecipeError: something is left.
        """
        if self.values:
            raise self.error(f"unknown key {', '.join(self.values)}")
