"""Values of a glTF document: each of the type that the format gives it, or refused by its name.

`where` names the holder in errors, as in "Buffer 0 of the glTF file".
"""

import json
from typing import Any, Final

from model.geometry.errors import MeshError, malformed

_LARGEST = 2**53  # beyond it JSON knows no whole numbers
_REQUIRED: Final = object()


def whole(holder: Any, key: str, where: str, default: Any = _REQUIRED) -> int:
    """A whole number from 0 on: a count, an offset, an index."""
    value: int = _value(holder, key, where, default)
    if not is_index(value):
        raise _wrong(where, key, value, "a whole number from 0 on")
    return value


def is_index(value: Any) -> bool:
    """Whether a value may be an index."""
    return type(value) is int and 0 <= value <= _LARGEST


def text(holder: Any, key: str, where: str, default: Any = _REQUIRED) -> str:
    """A string."""
    value: str = _value(holder, key, where, default)
    if not isinstance(value, str):
        raise _wrong(where, key, value, "a string")
    return value


def numbers(holder: Any, key: str, where: str, default: list[float]) -> list[float]:
    """As many numbers as `default` has, which need not be finite."""
    values = listed(holder, key, where, default)
    if len(values) != len(default) or not all(type(value) in (int, float) for value in values):
        raise malformed(f"{where} has a {key} that is not {len(default)} numbers.")
    try:
        return [float(value) for value in values]
    except OverflowError:
        raise malformed(f"{where} has a {key} with a number of too many digits.") from None


def listed(holder: Any, key: str, where: str, default: Any = _REQUIRED) -> list[Any]:
    """A list of whatever it may be."""
    value: list[Any] = _value(holder, key, where, default)
    if not isinstance(value, list):
        raise _wrong(where, key, value, "a list")
    return value


def section(holder: Any, key: str, where: str, default: Any = _REQUIRED) -> dict[str, Any]:
    """A JSON object in another."""
    value: dict[str, Any] = _value(holder, key, where, default)
    if not isinstance(value, dict):
        raise _wrong(where, key, value, "a JSON object")
    return value


def entry(holder: Any, key: str, index: Any) -> dict[str, Any]:
    """The JSON object at `index` of one of the document's lists, such as "accessors"."""
    entries = listed(holder, key, "The glTF file", [])
    if not is_index(index) or index >= len(entries):
        raise malformed(f"The glTF file refers to {key}[{quoted(index)}], which is missing.")
    value: dict[str, Any] = entries[index]
    if not isinstance(value, dict):
        raise malformed(f"{key}[{index}] of the glTF file is {quoted(value)}, not a JSON object.")
    return value


def quoted(value: Any) -> str:
    """A value as the file has it, in a few characters."""
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a JSON object"
    return json.dumps(value[:40] if isinstance(value, str) else value)[:60]


def _value(holder: Any, key: str, where: str, default: Any) -> Any:
    if not isinstance(holder, dict):
        raise malformed(f"{where} is {quoted(holder)}, not a JSON object.")
    value = holder.get(key, default)
    if value is _REQUIRED:
        raise malformed(f"{where} has no {key}.")
    return value


def _wrong(where: str, key: str, value: Any, wanted: str) -> MeshError:
    return malformed(f"{where} has {quoted(value)} as its {key}, which must be {wanted}.")
