"""Query parameters are a closed set for each route: the rest is refused by name."""

from collections import Counter
from typing import Any

from fastapi import Request

from service.errors import InvalidParameter, IrrelevantParameter, UnknownParameter


def check_parameter_names(request: Request) -> None:
    """A dependency of every route; what the route takes is read from the OpenAPI document.

    Raises:
        UnknownParameter: no route has such a parameter.
        IrrelevantParameter: other routes have it, this one does not.
        InvalidParameter: a parameter was given more than once.
    """
    given = Counter(name for name, _ in request.query_params.multi_items())
    if not given:
        return
    operations = _operations(request.app.openapi())
    route = request.scope["route"].path
    # Pages are in no document, and take none.
    valid = operations.get((route, request.method.lower()), set())
    for name, times in given.items():
        if name not in valid:
            raise _refusal(name, route, valid, known=set().union(*operations.values()))
        if times > 1:
            raise InvalidParameter(f"{name} was given {times} times.", param=name)


def _operations(document: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    """The names of the query parameters of each operation, by path and method."""
    return {
        (path, method): {
            parameter["name"]
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query"
        }
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def _refusal(
    name: str, route: str, valid: set[str], *, known: set[str]
) -> UnknownParameter | IrrelevantParameter:
    choice = f"Valid ones: {', '.join(sorted(valid))}." if valid else "It takes no parameters."
    if name in known:
        detail = f"The parameter {name!r} has no effect on {route}."
        return IrrelevantParameter(detail, suggestion=choice, param=name)
    return UnknownParameter(
        f"The parameter {name!r} is unknown on {route}.", suggestion=choice, param=name
    )
