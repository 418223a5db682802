"""Entity tags: what a caller has already is not sent again."""

import asyncio
import hashlib

from starlette.requests import Request


def already_known(request: Request, tag: str) -> bool:
    """Whether ``If-None-Match`` names this tag, by weak comparison (RFC 9110, 13.1.2)."""
    given = ",".join(request.headers.getlist("if-none-match"))
    known = {part.strip().removeprefix("W/") for part in given.split(",")}
    return tag in known or "*" in known


async def tag_of(data: bytes) -> str:
    """The tag of a body; by its content, since a mesh of the same name may be made anew.

    Off the event loop, which large meshes would hold up.
    """
    digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
    return f'"{digest[:32]}"'
