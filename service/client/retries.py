"""When to try again, how often, and how long to wait before."""

import contextlib
import random
import time
from dataclasses import dataclass, field, replace
from typing import Self

import httpx

from service.client.answers import error_of, problem_of, retry_after_of
from service.client.effects import Call, Sleep, Steps, send
from service.client.errors import ServerUnreachable
from service.errors import ExecutionError

_BUSY = frozenset({429, 503})
_PROXY_FAILURES = frozenset({502, 504})

Answer = httpx.Response | httpx.TransportError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient the client is with one call.

    Where the server sends ``Retry-After``, that is the delay. Else it doubles from try to try,
    within half of it by chance, so that many clients do not come back at once.

    Attributes:
        tries: how often a call is made, at most.
        total_s: no try begins later than this after the first one.
        first_delay_s: before the second try.
        max_delay_s: what doubling ends at.
    """

    tries: int = 6
    total_s: float = 120.0
    first_delay_s: float = 0.5
    max_delay_s: float = 10.0

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise ValueError(f"tries must be at least 1, not {self.tries}")
        for name in ("total_s", "first_delay_s", "max_delay_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")

    def within(self, seconds: float) -> Self:
        """The same, but no try begins later than ``seconds`` after the first one."""
        return replace(self, total_s=min(self.total_s, max(seconds, 0.0)))


@dataclass(slots=True)
class Retrying:
    """Counts the tries of one call."""

    policy: RetryPolicy
    tried: int = 0
    began: float = field(default_factory=time.monotonic)

    def pause(self, answer: Answer | None, *, asked_s: float | None = None) -> Steps[None]:
        """Wait before the next try.

        Args:
            answer: what came of this one; None where a stream just ended.
            asked_s: the delay the server asks for, where it does.

        Raises:
            ServerUnreachable: that was the last try, and the connection broke.
            ServiceError: that was the last try, and the server refused.
        """
        self.tried += 1
        delay = self._delay() if asked_s is None else asked_s
        too_late = time.monotonic() - self.began + delay > self.policy.total_s
        if self.tried >= self.policy.tries or too_late:
            if isinstance(answer, httpx.Response):
                raise error_of(answer)
            raise _unreachable(answer, self.tried) from answer
        yield Sleep(delay)

    def _delay(self) -> float:
        doubled = self.policy.first_delay_s * 2.0 ** (self.tried - 1)
        return min(doubled, self.policy.max_delay_s) * random.uniform(0.5, 1.0)  # noqa: S311


def exchange(call: Call, policy: RetryPolicy) -> Steps[httpx.Response]:
    """The server's answer to a call that is safe to make again.

    Raises:
        ServiceError: the server refused, at last.
        ServerUnreachable: it was never reached.
        UnexpectedAnswer: something else answers there.
    """
    retrying = Retrying(policy)
    while True:
        answer = yield from send(call)
        if not worth_retrying(answer):
            assert isinstance(answer, httpx.Response)
            if answer.status_code >= 300:
                raise error_of(answer)
            return answer
        yield from retrying.pause(answer, asked_s=asked_delay(answer))


def worth_retrying(answer: Answer) -> bool:
    """Whether the same call may be answered otherwise later.

    The error of an accepted job is that job's end, and the same call would find it again.
    """
    if isinstance(answer, httpx.TransportError):
        return True
    if answer.status_code in _PROXY_FAILURES:
        return problem_of(answer) is None
    if answer.status_code not in _BUSY:
        return False
    return not isinstance(error_of(answer), ExecutionError)


def asked_delay(answer: Answer) -> float | None:
    """The delay that an answer asks for."""
    return retry_after_of(answer) if isinstance(answer, httpx.Response) else None


def _unreachable(cause: httpx.TransportError | None, tried: int) -> ServerUnreachable:
    times = "once" if tried == 1 else f"{tried} times"
    what = "ends its answers early" if cause is None else f"cannot be reached: {cause or cause!r}"
    return ServerUnreachable(
        f"{_server(cause)} {what} (tried {times}). Is base_url right, and the server up?"
        " `lagem serve` starts one."
    )


def _server(cause: httpx.TransportError | None) -> str:
    with contextlib.suppress(AttributeError, RuntimeError):  # not every error knows its request
        return str(cause.request.url.join("/"))  # type: ignore[union-attr]
    return "The server"
