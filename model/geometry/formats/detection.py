"""Which format some bytes are in. The bytes decide; a file name only breaks ties."""

import re
from pathlib import PurePath

from model.geometry.errors import MeshError
from model.geometry.formats.npy import NPY_MAGIC
from model.geometry.formats.off import OFF_HEADER
from model.geometry.formats.stl import is_binary_stl, is_damaged_stl
from model.geometry.formats.text_encoding import is_wide_text, without_mark

IMPORT_FORMATS = ("glb", "gltf", "obj", "stl", "ply", "off", "npy")

_FOREIGN = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a rar archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"Kaydara FBX Binary": "an FBX file",
    b"; FBX": "an FBX file",
    b"BLENDER": "a Blender file",
    b"PXR-USDC": "a USD file",
    b"#usda": "a USD file",
    b"ISO-10303-21": "a STEP file",
    b"<": "an XML or HTML file",
    b"%PDF": "a PDF file",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
}
_TAR_MAGIC = (b"ustar", 257)
_PLY_HEADER = re.compile(rb"ply[ \t]*[\r\n]")
_OBJ_STATEMENT = re.compile(
    rb"(?:^|\r)[^\n!-~]*(?:v[ \t]+[-+.\dnNiI]|f[ \t]+-?\d|mtllib[ \t]|usemtl[ \t]|vn[ \t]+[-+.\d])",
    re.MULTILINE,
)
_SOLID = re.compile(rb"solid\b.*?\b(?:facet|endsolid)\b", re.DOTALL | re.IGNORECASE)
_GLTF_ASSET = re.compile(rb'"asset"\s*:')


def detect_format(data: bytes, hint: str | None = None) -> str:
    """The format of `data`, one of `IMPORT_FORMATS`.

    Args:
        data: the whole file.
        hint: a file name or extension. It is believed only where the bytes fit several formats
            or none, as in the first bytes of a binary STL.

    Raises:
        MeshError: `unsupported_mesh_format`, or `empty_mesh` for a file without bytes.
    """
    if not data:
        raise MeshError("empty_mesh", "The file is empty: it has 0 bytes.", "Send a mesh file.")
    text = without_mark(data[:1024]).lstrip()
    if data.startswith(b"glTF"):
        return "glb"
    if data.startswith(NPY_MAGIC):
        return "npy"
    if _PLY_HEADER.match(without_mark(data[:1024])):
        return "ply"
    if is_binary_stl(data):
        return "stl"
    _refuse_foreign(data, text)
    if is_wide_text(data):
        raise MeshError(
            "unsupported_mesh_format",
            "The file is text in UTF-16 or UTF-32, in which no mesh is read.",
            "Save it as UTF-8 or ASCII.",
        )
    if b"\0" not in data:
        return _detect_text(data, text, hint)
    if _extension(hint) == "stl" or is_damaged_stl(data):
        return "stl"
    raise _unsupported("The file is binary, in none of the accepted formats.")


def _detect_text(data: bytes, text: bytes, hint: str | None) -> str:
    if text.startswith(b"{") and (_GLTF_ASSET.search(data) or _extension(hint) == "gltf"):
        return "gltf"
    if _SOLID.match(text) or (text[:5].lower() == b"solid" and _extension(hint) == "stl"):
        return "stl"
    if OFF_HEADER.match(text) or OFF_HEADER.match(re.sub(rb"#[^\n]*\n\s*", b"", text)):
        return "off"
    if _OBJ_STATEMENT.search(data) or (text.startswith(b"#") and _extension(hint) == "obj"):
        return "obj"
    raise _unsupported("The file is text, in none of the accepted formats.")


def _extension(hint: str | None) -> str:
    if hint is None:
        return ""
    return (PurePath(hint).suffix or hint).removeprefix(".").lower()


def _refuse_foreign(data: bytes, text: bytes) -> None:
    magic, place = _TAR_MAGIC
    if data[place : place + len(magic)] == magic:
        raise _unsupported("The file is a tar archive.")
    for signature, name in _FOREIGN.items():
        if text.startswith(signature) or data.startswith(signature):
            raise _unsupported(f"The file is {name}.")


def _unsupported(detail: str) -> MeshError:
    return MeshError(
        "unsupported_mesh_format",
        detail,
        f"Send one of {', '.join(IMPORT_FORMATS)}, not compressed or packed.",
    )
