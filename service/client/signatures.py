"""What ``help`` and editors are told of methods that are made from others."""

import inspect
from collections.abc import Callable
from typing import Any, get_args


def told_as(
    function: Callable[..., Any],
    method: Callable[..., Any],
    returned: Callable[[Any], Any],
    *,
    prefix: str = "",
    remark: str = "",
) -> None:
    """Give ``function`` the name, parameters and docstring of ``method``, but for what is said.

    Args:
        function: the one that callers see.
        method: the one it was made from.
        returned: the return type of ``method`` to that of ``function``.
        prefix: of the name, in place of an underscore.
        remark: a paragraph before the docstring's arguments.
    """
    known = inspect.signature(method)
    seen = known.replace(return_annotation=returned(known.return_annotation))
    vars(function)["__signature__"] = seen
    function.__name__ = prefix + method.__name__.removeprefix("_")
    docstring = inspect.cleandoc(method.__doc__ or "")
    function.__doc__ = docstring.replace("\nArgs:", f"\n{remark}\n\nArgs:") if remark else docstring


def outcome(steps: Any) -> Any:
    """``T`` of ``Steps[T]``."""
    return get_args(steps)[-1]
