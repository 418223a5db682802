"""Entity tags: what a caller has already is not sent again."""

from starlette.requests import Request


def already_known(request: Request, tag: str) -> bool:
    """Whether ``If-None-Match`` names this tag, by weak comparison (RFC 9110, 13.1.2)."""
    given = ",".join(request.headers.getlist("if-none-match"))
    known = {part.strip().removeprefix("W/") for part in given.split(",")}
    return tag in known or "*" in known
