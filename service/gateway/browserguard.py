"""What keeps web pages of others from using a server that asks for no key."""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import Forbidden, HostNotAllowed
from service.gateway.problem import refuse

_LOCAL_NAME = re.compile(r"[a-z0-9_-]*|([a-z0-9_-]+\.)*localhost\.?")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class OriginGuard:
    """Keeps web pages of other origins from submitting to a server that asks for no key.

    Browsers send a plain POST across origins without asking first, so a page anywhere could make
    the browser of somebody who runs a server on their machine fill its queue.
    """

    def __init__(self, app: ASGIApp, *, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS:
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and origin not in self._allowed and not _same_origin(headers):
                error = Forbidden(
                    f"Web pages of {origin[:200]} may not call this server.",
                    suggestion="Its operator can allow the origin in LAGEM_CORS_ORIGINS.",
                    param="Origin",
                )
                await refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)


class HostGuard:
    """Keeps pages from reaching a loopback server under a name of their own (DNS rebinding).

    A page's owner can let its name point to 127.0.0.1: then the page is of one origin with this
    server, and browsers let it read and send everything. But the name is in ``Host``.

    Args:
        allowed: names to answer to beside those of the loopback interface.
    """

    def __init__(self, app: ASGIApp, *, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(name.lower() for name in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            name = _name_of(host)
            if not (_is_local(name) or name.removesuffix(".") in self._allowed):
                error = HostNotAllowed(
                    f"This server does not answer to the Host {host[:200]!r}.",
                    suggestion="Call it as localhost; or its operator can name the host in"
                    " LAGEM_ALLOWED_HOSTS, or set LAGEM_API_KEYS.",
                    param="Host",
                )
                await refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)


def _name_of(host: str) -> str:
    """The name or address in a ``Host`` header: no port, no brackets."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


def _is_local(name: str) -> bool:
    """Whether no page of the internet can be called that.

    Names without a dot, also at their end, belong to a machine or its own network; a request
    without ``Host`` (an empty name) does not come from a browser.
    """
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return bool(_LOCAL_NAME.fullmatch(name))


def _same_origin(headers: Headers) -> bool:
    """Whether a browser sends this for a page of our own; a proxy may have changed the host."""
    if headers.get("sec-fetch-site") == "same-origin":
        return True  # pages cannot set it
    return urlsplit(headers["origin"]).netloc == headers.get("host", "")
