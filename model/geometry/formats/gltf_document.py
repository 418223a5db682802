"""glTF 2.0 containers: the JSON document and its buffers, from GLB or self-contained glTF."""

import base64
import binascii
import json
import struct
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from model.geometry.errors import MeshError, malformed

GLB_HEADER = struct.Struct("<4sII")  # magic, version, length of the whole file
_CHUNK_HEADER = struct.Struct("<II")  # length, type
_JSON_CHUNK = 0x4E4F534A
_BINARY_CHUNK = 0x004E4942
_MAX_JSON_VALUES = 2_000_000  # a parsed value takes about 100 bytes of memory

# Required extensions that change how a surface looks, never where it is, or that are supported.
_ACCEPTED_EXTENSIONS = (
    "KHR_draco_mesh_compression",
    "KHR_mesh_quantization",
    "KHR_materials_",
    "KHR_texture_",
    "KHR_lights_",
    "KHR_animation_",
    "KHR_xmp",
    "EXT_texture_",
    "MSFT_texture_",
)


@dataclass(frozen=True, slots=True)
class GltfDocument:
    """A parsed glTF file.

    Attributes:
        json: the document; its structure has not been validated.
        buffers: the bytes of each buffer, at least as long as the document declares.
    """

    json: dict[str, Any]
    buffers: tuple[bytes, ...]


def open_glb(data: bytes) -> GltfDocument:
    """Unpack a binary glTF.

    Raises:
        MeshError: `malformed_mesh` for cut-off files and external references,
            `unsupported_mesh_format` for glTF 1.0 and required extensions that are not known.
    """
    if len(data) < GLB_HEADER.size + _CHUNK_HEADER.size:
        raise malformed(f"A GLB file has at least 20 bytes, but this one has {len(data)}.")
    _, version, length = GLB_HEADER.unpack_from(data)
    if version != 2:
        raise _wrong_version(str(version))
    if length > len(data):
        raise malformed(
            f"The GLB header declares {length:,} bytes, but the file has {len(data):,}."
        )
    chunks: dict[int, bytes] = {}
    offset = GLB_HEADER.size
    while offset + _CHUNK_HEADER.size <= length:
        size, kind = _CHUNK_HEADER.unpack_from(data, offset)
        offset += _CHUNK_HEADER.size
        if offset + size > length:
            raise malformed(f"A GLB chunk declares {size:,} bytes, but {length - offset:,} follow.")
        chunks.setdefault(kind, data[offset : offset + size])
        offset += size
    if _JSON_CHUNK not in chunks:
        raise malformed("The GLB file has no JSON chunk.")
    return _document(chunks[_JSON_CHUNK], chunks.get(_BINARY_CHUNK))


def open_gltf(data: bytes) -> GltfDocument:
    """Unpack a JSON glTF whose buffers are `data:` URIs. Raises what `open_glb` raises."""
    return _document(data, None)


def _document(text: bytes, binary_chunk: bytes | None) -> GltfDocument:
    values = text.count(b",") + text.count(b"[") + text.count(b"{")
    if values > _MAX_JSON_VALUES:
        raise MeshError(
            "mesh_too_large",
            f"The glTF document has about {values:,} JSON values; "
            f"at most {_MAX_JSON_VALUES:,} are accepted.",
            "Keep geometry in binary buffers and leave out animations.",
        )
    try:
        document = json.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise malformed(f"The glTF document is not valid JSON: {error}.") from None
    if not isinstance(document, dict):
        raise malformed("The glTF document is not a JSON object.")
    version = str(document.get("asset", {}).get("version", "2.0"))
    if not version.startswith("2."):
        raise _wrong_version(version)
    for extension in document.get("extensionsRequired", []):
        if not str(extension).startswith(_ACCEPTED_EXTENSIONS):
            raise MeshError(
                "unsupported_mesh_format",
                f"The glTF file requires the extension {extension}, which is not supported.",
                "Export it without this extension (Draco and quantized meshes are fine).",
            )
    buffers = tuple(
        _buffer(i, entry, binary_chunk) for i, entry in enumerate(document.get("buffers", []))
    )
    return GltfDocument(document, buffers)


def _buffer(index: int, entry: dict[str, Any], binary_chunk: bytes | None) -> bytes:
    uri = entry.get("uri")
    if uri is not None:
        content = _data_uri(index, uri)
    elif index == 0 and binary_chunk is not None:
        content = binary_chunk
    else:
        raise malformed(f"Buffer {index} of the glTF file has no content.")
    declared = entry["byteLength"]
    if declared > len(content):
        raise malformed(
            f"Buffer {index} of the glTF file declares {declared:,} bytes, "
            f"but {len(content):,} are there."
        )
    return content


def _data_uri(index: int, uri: str) -> bytes:
    head, comma, payload = uri.partition(",")
    if not head.startswith("data:"):
        raise MeshError(
            "malformed_mesh",
            f"Buffer {index} of the glTF file is in another file ({uri[:80]!r}), "
            "and references are never followed.",
            "Export one self-contained file: GLB, or glTF with embedded buffers.",
        )
    if not comma:
        raise malformed(f"Buffer {index} of the glTF file has a data URI without data.")
    if not head.endswith(";base64"):
        return unquote_to_bytes(payload)
    try:
        return base64.b64decode(payload, validate=True)
    except binascii.Error as error:
        raise malformed(f"Buffer {index} of the glTF file is not valid base64: {error}.") from None


def _wrong_version(version: str) -> MeshError:
    return MeshError(
        "unsupported_mesh_format",
        f"The file is glTF {version[:16]}, but only glTF 2.0 is read.",
        "Convert it to glTF 2.0.",
    )
