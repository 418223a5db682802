"""The body of a request, into a temporary file: memory stays flat however large it is."""

import contextlib
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile

from service.errors import (
    InvalidParameter,
    MalformedRequest,
    MeshTooLarge,
    UnknownParameter,
    UnsupportedMeshFormat,
)
from service.gateway.negotiation import mesh_format_of

_PREFIX = "lagem-upload-"
_CHUNK_BYTES = 2**20
_MULTIPART = "multipart/form-data"
_CHARSETS = ("utf-8", "utf8", "us-ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A body as it came.

    Attributes:
        path: temporary file with the bytes.
        size: in bytes; 0 where there was no body.
        sha256: of the bytes.
        name: the caller's name for the file, where there is one.
        hint: the name, or a file extension guessed from the media type: both may be wrong.
    """

    path: Path
    size: int
    sha256: str
    name: str | None
    hint: str | None


@asynccontextmanager
async def received_upload(request: Request) -> AsyncIterator[Upload]:
    """The body of a request: raw, or the field ``file`` of a form. The file ends with the context.

    Raises:
        UnsupportedMeshFormat: its ``Content-Encoding`` is not ``identity``.
        MeshTooLarge: it is larger than the deployment takes (while it streams).
        MalformedRequest: a form that cannot be read.
        InvalidParameter, UnknownParameter: a form without ``file``, or with other fields.
    """
    _check_coding(request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    with tempfile.NamedTemporaryFile(prefix=_PREFIX) as file:
        name = None
        if media_type == _MULTIPART:
            _check_charset(request.headers["content-type"])
            async with request.form(max_files=1, max_fields=8) as form:
                part = _only_file(form)
                name = PurePath(part.filename or "").name[:255] or None
                media_type = part.content_type or ""
                size, digest = await _copy(_chunks(part), file)
        else:
            size, digest = await _copy(request.stream(), file)
        yield Upload(
            path=Path(file.name),
            size=size,
            sha256=digest,
            name=name,
            hint=name or mesh_format_of(media_type),
        )


@asynccontextmanager
async def spooled_upload(chunks: AsyncIterator[bytes]) -> AsyncIterator[Upload]:
    """Chunks without a name, in a file that ends with the context."""
    with tempfile.NamedTemporaryFile(prefix=_PREFIX) as file:
        size, digest = await _copy(chunks, file)
        yield Upload(path=Path(file.name), size=size, sha256=digest, name=None, hint=None)


def sweep_uploads(older_than_s: float) -> int:
    """Remove what processes left behind that were killed while they read; returns how many."""
    horizon, removed = time.time() - older_than_s, 0
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # it is gone, or somebody else's
            if path.stat().st_mtime < horizon:
                path.unlink()
                removed += 1
    return removed


def upload_too_large(max_bytes: int) -> MeshTooLarge:
    """The refusal of an upload of more than ``max_bytes``."""
    return MeshTooLarge(
        f"The body is larger than {max_bytes:,} bytes, the most that is accepted.",
        suggestion="Simplify the mesh, or use a binary format such as glb.",
    )


def has_body(request: Request) -> bool:
    """Whether the head of a request announces a body (RFC 9112, 6.3)."""
    return request.headers.get("content-length", "0").strip("0") != "" or (
        "transfer-encoding" in request.headers
    )


async def refuse_body(request: Request) -> None:
    """Read a body that must be empty.

    Raises:
        MalformedRequest: it is not.
    """
    async for chunk in request.stream():
        if chunk:
            raise MalformedRequest(
                f"{request.method} {request.url.path} takes no body.",
                suggestion="Send the parameters in the query string.",
            )


def _check_coding(request: Request) -> None:
    """Refuse a compressed body: what it unpacks to is bounded by nothing that came."""
    coding = ", ".join(request.headers.getlist("content-encoding")).strip()
    if any(name.strip().lower() not in ("", "identity") for name in coding.split(",")):
        raise UnsupportedMeshFormat(
            f"The body has the Content-Encoding {coding[:40]!r}, and no coding is undone here.",
            suggestion="Send the file as it is, without Content-Encoding.",
            param="Content-Encoding",
        )


def _check_charset(content_type: str) -> None:
    """Refuse a form whose names would go through a codec of the caller's choice."""
    _, options = parse_options_header(content_type)
    charset = options.get(b"charset", b"utf-8").decode("latin-1").lower()
    if charset not in _CHARSETS:
        raise MalformedRequest(
            f"The form has the charset {charset[:40]!r}: only utf-8 is read.",
            suggestion="Leave charset out of Content-Type.",
            param="Content-Type",
        )


async def _copy(chunks: AsyncIterator[bytes], file: IO[bytes]) -> tuple[int, str]:
    """Write chunks to a file as they come; returns their total size and SHA-256."""
    size, digest = 0, hashlib.sha256()
    async for chunk in chunks:
        size += len(chunk)
        digest.update(chunk)
        file.write(chunk)
    file.flush()
    return size, digest.hexdigest()


async def _chunks(part: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await part.read(_CHUNK_BYTES):
        yield chunk


def _only_file(form: FormData) -> UploadFile:
    for name in form:
        if name != "file":
            raise UnknownParameter(
                f"The form has the field {name!r}; the only one is 'file'.",
                suggestion="Send parameters in the query string.",
                param=name,
            )
    part = form.get("file")
    if not isinstance(part, UploadFile):
        raise InvalidParameter(
            "The form has no file in its field 'file'.",
            suggestion="For example: curl -F file=@table.glb, or send the bytes as the body.",
            param="file",
        )
    return part
