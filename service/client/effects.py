"""What the core asks its driver to do: the only places where anything waits."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from service.client.events import Event

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, relative to the server's address.

    Attributes:
        read_s: longest silence of the server; beyond it the connection counts as broken.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    read_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Send:
    """Make a call; answered with the read ``httpx.Response``, or the ``TransportError``."""

    call: Call


@dataclass(frozen=True, slots=True)
class Open:
    """As ``Send``, but a 200 is left unread for ``Read``; the former stream is closed."""

    call: Call


@dataclass(frozen=True, slots=True)
class Read:
    """Some bytes of the open stream; answered with None at its end, or the ``TransportError``."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let some seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Call a function that reads files or computes; answered with what it returns."""

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand an event to whoever watches."""

    event: Event


Effect = Send | Open | Read | Sleep | Work | Emit
Steps = Generator[Effect, Any, T]
"""A conversation: yields effects, is sent their answers, returns its result."""


def send(call: Call) -> Steps[httpx.Response | httpx.TransportError]:
    """``Send``, typed."""
    answer: httpx.Response | httpx.TransportError = yield Send(call)
    return answer


def opened(call: Call) -> Steps[httpx.Response | httpx.TransportError]:
    """``Open``, typed."""
    answer: httpx.Response | httpx.TransportError = yield Open(call)
    return answer


def read() -> Steps[bytes | httpx.TransportError | None]:
    """``Read``, typed."""
    answer: bytes | httpx.TransportError | None = yield Read()
    return answer


def work(function: Callable[[], T]) -> Steps[T]:
    """``Work``, typed."""
    answer: T = yield Work(function)
    return answer


def unwatched(steps: Steps[T], take: Callable[[Event], None]) -> Steps[T]:
    """The same conversation, its events given to a function in place of a watcher."""
    answer: Any = None
    while True:
        try:
            effect = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        if isinstance(effect, Emit):
            take(effect.event)
            answer = None
        else:
            answer = yield effect
