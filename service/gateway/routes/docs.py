"""The OpenAPI document and a page to read it by, wholly from this server."""

from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse

from service.errors import NotFound

router = APIRouter(include_in_schema=False)

_OWN = Path(__file__).parent.parent / "docspage"
_BUNDLED = Path(str(files("fastapi_offline"))) / "static"  # Swagger UI, as its makers build it

ASSETS_PATH = "/docs/"
"""Where the page's files lie; like the page, they need no key."""

ASSETS = MappingProxyType(
    {
        "swagger-ui.css": _BUNDLED / "swagger-ui.css",
        "swagger-ui-bundle.js": _BUNDLED / "swagger-ui-bundle.js",
        "look.css": _OWN / "look.css",
        "start.js": _OWN / "start.js",
    }
)
"""What the page loads, below its own address."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DAY_S = 86_400


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """The document; asked for under ``/v1``, it says that its paths are there."""
    document = request.app.openapi()
    prefix = request.url.path.removesuffix("/openapi.json")
    return JSONResponse({**document, "servers": [{"url": prefix}]} if prefix else document)


@router.get("/docs")
async def page() -> FileResponse:
    """The interactive documentation."""
    return FileResponse(_OWN / "index.html", headers={"Content-Security-Policy": _POLICY})


@router.get(ASSETS_PATH + "{name}")
async def asset(name: str) -> FileResponse:
    """A file of the page."""
    if name not in ASSETS:
        raise NotFound(f"The documentation has no file {name!r}.", suggestion="Open /docs.")
    return FileResponse(ASSETS[name], headers={"Cache-Control": f"max-age={_DAY_S}"})
