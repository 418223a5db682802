"""glTF 2.0 containers: the JSON document and its buffers, from GLB or self-contained glTF."""

import base64
import json
import struct
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from model.geometry.errors import MeshError, malformed
from model.geometry.formats.gltf_values import entry, listed, quoted, section, text, whole
from model.geometry.formats.text_encoding import without_mark

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


def _document(source: bytes, binary_chunk: bytes | None) -> GltfDocument:
    values = source.count(b",") + source.count(b"[") + source.count(b"{")
    if values > _MAX_JSON_VALUES:
        raise MeshError(
            "mesh_too_large",
            f"The glTF document has about {values:,} JSON values; "
            f"at most {_MAX_JSON_VALUES:,} are accepted.",
            "Keep geometry in binary buffers and leave out animations.",
        )
    document = _parsed(without_mark(source))
    if not isinstance(document, dict):
        raise malformed("The glTF document is not a JSON object.")
    asset = section(document, "asset", "The glTF file", {})
    version = asset.get("version", "2.0")
    if not str(version).startswith("2."):
        raise _wrong_version(quoted(version).strip('"'))
    for extension in listed(document, "extensionsRequired", "The glTF file", []):
        if not str(extension).startswith(_ACCEPTED_EXTENSIONS):
            raise MeshError(
                "unsupported_mesh_format",
                f"The glTF file requires the extension {quoted(extension)}, which is not "
                "supported.",
                "Export it without this extension (Draco and quantized meshes are fine).",
            )
    count = len(listed(document, "buffers", "The glTF file", []))
    buffers = tuple(_buffer(i, entry(document, "buffers", i), binary_chunk) for i in range(count))
    return GltfDocument(document, buffers)


def _parsed(source: bytes) -> Any:
    """What a JSON document says."""
    try:
        return json.loads(source.decode())
    except UnicodeDecodeError as error:
        cause = f"its byte {error.start:,} is not UTF-8"
    except json.JSONDecodeError as error:
        cause = f"{error.msg.lower()}, line {error.lineno:,}, column {error.colno:,}"
    except RecursionError:
        cause = "it is nested too deeply"
    except ValueError:
        cause = "it holds a number of too many digits"
    raise malformed(f"The glTF document is not valid JSON: {cause}.")


def _buffer(index: int, buffer: dict[str, Any], binary_chunk: bytes | None) -> bytes:
    where = f"Buffer {index} of the glTF file"
    if "uri" in buffer:
        content = _data_uri(where, text(buffer, "uri", where))
    elif index == 0 and binary_chunk is not None:
        content = binary_chunk
    else:
        raise malformed(f"{where} has no content.")
    declared = whole(buffer, "byteLength", where)
    if declared > len(content):
        raise malformed(f"{where} declares {declared:,} bytes, but {len(content):,} are there.")
    return content


def _data_uri(where: str, uri: str) -> bytes:
    head, comma, payload = uri.partition(",")
    if not head.startswith("data:"):
        raise MeshError(
            "malformed_mesh",
            f"{where} is in another file ({uri[:80]!r}), and references are never followed.",
            "Export one self-contained file: GLB, or glTF with embedded buffers.",
        )
    if not comma:
        raise malformed(f"{where} has a data URI without data.")
    if not head.endswith(";base64"):
        return unquote_to_bytes(payload)
    try:
        return base64.b64decode(payload, validate=True)
    except ValueError:  # of base64, or of characters beyond ASCII
        raise malformed(f"{where} has a data URI that is not valid base64.") from None


def _wrong_version(version: str) -> MeshError:
    return MeshError(
        "unsupported_mesh_format",
        f"The file is glTF {version[:16]}, but only glTF 2.0 is read.",
        "Convert it to glTF 2.0.",
    )
