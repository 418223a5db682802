"""``Prefer``, read once for each request, and told to every submission however it ends."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.gateway.negotiation import preferred_waiting

_SUBMISSIONS = frozenset({"/encode", "/generate", "/resample", "/decode"})


class Preference:
    """Puts ``Prefer`` into ``request.state.waiting``, and how it was taken on the answer.

    ``Preference-Applied`` is on every answer to a submission, refusals before any route included;
    and where ``request.state.submits`` was set by a route that had to submit something itself.

    Args:
        default_s: how long a submission waits that prefers nothing.
    """

    def __init__(self, app: ASGIApp, *, default_s: float) -> None:
        self._app = app
        self._default_s = default_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        prefer = ",".join(Headers(scope=scope).getlist("prefer"))
        waiting = preferred_waiting(prefer, self._default_s)
        state = scope.setdefault("state", {})
        state["waiting"] = waiting
        state["submits"] = scope["method"] == "POST" and _is_submission(scope["path"])

        async def send_applied(message: Message) -> None:
            if message["type"] == "http.response.start" and state["submits"]:
                MutableHeaders(scope=message)["Preference-Applied"] = waiting.applied
            await send(message)

        await self._app(scope, receive, send_applied)


def _is_submission(path: str) -> bool:
    return path.removeprefix("/v1") in _SUBMISSIONS
