"""HEAD, wherever there is GET."""

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Head:
    """Answers HEAD by what GET would say, less its body.

    Routes for which that would be work, or would not end, look at ``request.state.head`` and say
    only what they know without it (RFC 9110, 9.3.2).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["state"]["head"] = scope["method"] == "HEAD"
        if not scope["state"]["head"]:
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        inside = {**scope, "method": "GET"}
        try:
            await self._app(inside, receive, send_head)
        finally:
            scope.update({name: inside[name] for name in ("route",) if name in inside})


def head_alone(response: Response) -> Response:
    """The head of a response whose body nobody made, so that its length is not known."""
    del response.headers["Content-Length"]
    return response
