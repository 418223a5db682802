"""What ``help`` and editors are told of methods that are made from others."""

import inspect
from collections.abc import Callable
from typing import Any, get_args


def told_as(
    function: Callable[..., Any], method: Callable[..., Any], returned: Callable[[Any], Any]
) -> None:
    """Give ``function`` the parameters of ``method``, and another return type.

    Args:
        function: the one that callers see.
        method: the one it was made from.
        returned: the return type of ``method`` to that of ``function``.
    """
    known = inspect.signature(method)
    seen = known.replace(return_annotation=returned(known.return_annotation))
    vars(function)["__signature__"] = seen


def outcome(steps: Any) -> Any:
    """``T`` of ``Steps[T]``."""
    return get_args(steps)[-1]
