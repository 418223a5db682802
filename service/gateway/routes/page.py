"""The web page at ``/``: files of this package, served as they are."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePath

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.errors import NotFound
from service.gateway.etag import already_known

ASSETS_PATH = "/page/"
"""Where the page's files lie; like the page, they need no key, since they hold no data."""

_INDEX = "index.html"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    # Nothing from elsewhere, nothing inline, no markup made by scripts.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    # Kept, and asked about each time: a new release shows at once, an old one costs a 304.
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page."""

    data: bytes
    media_type: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """The files of the page by name."""
    found = {}
    for file in files("service.gateway").joinpath("page").iterdir():
        media_type = _TYPES.get(PurePath(file.name).suffix)
        if media_type is not None:
            data = file.read_bytes()
            tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
            found[file.name] = Asset(data, media_type, tag)
    return found


@router.get("/")
async def page(request: Request) -> Response:
    """The page."""
    return _answer(request, _INDEX)


@router.get(ASSETS_PATH + "{name}")
async def asset(request: Request, name: str) -> Response:
    """A file that the page names."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    asset = assets().get(name)
    if asset is None:
        raise NotFound(f"The page has no file {name}.", suggestion="GET / is the page.")
    headers = {**_HEADERS, "ETag": asset.etag}
    if already_known(request, asset.etag):
        return Response(status_code=304, headers=headers)
    return Response(asset.data, headers=headers, media_type=asset.media_type)
