"""What pydantic found wrong with a request, as the one error that every transport tells."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from service.errors import InvalidParameter


def invalid_parameters(found: Sequence[Mapping[str, Any]], *, skip: int = 0) -> InvalidParameter:
    """The error for parameters out of range or of the wrong type: one is named, all are told.

    Args:
        found: pydantic's errors, at least one.
        skip: leading parts of each location that are no part of the parameter's name.
    """
    details = [f"{_name(item, skip)}: {_cause(item)}" for item in found]
    return InvalidParameter(
        "; ".join(details) + ".",
        suggestion="GET /docs lists the parameters and their ranges.",
        param=_name(found[0], skip),
    )


def _name(item: Mapping[str, Any], skip: int) -> str:
    return ".".join(str(part) for part in item["loc"][skip:])


def _cause(item: Mapping[str, Any]) -> str:
    message = str(item["msg"])
    given = item.get("input")
    if not isinstance(given, str | int | float):
        return message
    return f"{message}, not {json.dumps(given)[:80]}"
