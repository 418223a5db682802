"""The process that reads untrusted meshes: ``python -m service.gateway.sandbox LIMITS``.

It answers requests on its standard input, one JSON line each, by one JSON line on its standard
output, followed by as many bytes as the line's ``size`` says. It holds no secret, writes no file,
and has a bounded address space and CPU time; whoever started it bounds the wall-clock time.
"""

import io
import json
import math
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from model.geometry.errors import MeshError
from model.geometry.limits import MeshLimits
from model.geometry.mesh import load_mesh
from model.geometry.sampling import to_point_cloud
from service.contract import LARGEST_COORDINATE
from service.gateway.limits import IngestLimits

_MOST_CHARACTERS = 1000
"""Of what is said about a mesh: messages quote the file, and an answer's line must stay short."""

_SMALLEST_RATIO = 1e-10
"""Of radius and distance from the origin: with less, points stray from the surface visibly."""


def serve(requests: BinaryIO, replies: BinaryIO, limits: IngestLimits) -> None:
    """Answer requests until their stream ends; the first reply says that the process is ready."""
    _bound_memory(limits.memory_bytes)
    # An STL has three vertices for each face.
    mesh_limits = MeshLimits(
        max_bytes=limits.max_bytes,
        max_faces=limits.max_faces,
        max_vertices=3 * limits.max_faces,
    )
    _send(replies, {"ready": True})
    for line in requests:
        request = json.loads(line)
        _bound_cpu_time(limits.timeout_s)
        try:
            header, points = _read(Path(request["path"]), request["hint"], mesh_limits)
        except MeshError as error:
            header, points = _refusal(error.code, error.detail, error.suggestion), b""
        except MemoryError:
            header, points = _memory_refusal(limits.memory_bytes), b""
        except Exception as error:  # noqa: BLE001 - hostile bytes may provoke anything
            header, points = _unforeseen(error), b""
        _send(replies, header, points)


def _read(path: Path, hint: str | None, limits: MeshLimits) -> tuple[dict[str, Any], bytes]:
    """The answer for one file: facts about the mesh, and its points as ``.npy``."""
    mesh = load_mesh(path.read_bytes(), hint=hint, limits=limits)
    cloud = to_point_cloud(mesh)
    _check_size(1 / cloud.normalization.scale, max(map(abs, cloud.normalization.center)))
    buffer = io.BytesIO()
    np.save(buffer, cloud.points, allow_pickle=False)
    header = {
        "vertices": len(mesh.vertices),
        "faces": len(getattr(mesh, "faces", ())),
        "bounds": np.asarray(mesh.bounds, dtype=float).tolist(),
        "normalization": asdict(cloud.normalization),
    }
    return header, buffer.getvalue()


def _check_size(radius: float, distance: float) -> None:
    """Refuse sizes that no frame can tell, and that rounding at this distance leaves nothing of."""
    if radius > LARGEST_COORDINATE:
        raise MeshError(
            "non_finite_mesh",
            f"The mesh has a radius of {radius:g}; at most {LARGEST_COORDINATE:g} can be kept.",
            "Scale the mesh down.",
        )
    if radius < 1 / LARGEST_COORDINATE:
        raise MeshError(
            "empty_mesh",
            f"The mesh has a radius of {radius:g}; at least {1 / LARGEST_COORDINATE:g} is needed.",
            "Scale the mesh up.",
        )
    if radius < _SMALLEST_RATIO * distance:
        raise MeshError(
            "empty_mesh",
            f"The mesh has a radius of {radius:g}, {distance:g} away from the origin: rounding "
            "leaves nothing of its surface there.",
            "Move the mesh to the origin.",
        )


def _send(replies: BinaryIO, header: dict[str, Any], payload: bytes = b"") -> None:
    replies.write(json.dumps(header | {"size": len(payload)}).encode() + b"\n" + payload)
    replies.flush()


def _refusal(code: str, detail: str, suggestion: str) -> dict[str, Any]:
    if len(detail) > _MOST_CHARACTERS:
        detail = f"{detail[:_MOST_CHARACTERS]}..."
    return {"error": {"code": code, "detail": detail, "suggestion": suggestion}}


def _memory_refusal(memory_bytes: int) -> dict[str, Any]:
    return _refusal(
        "mesh_too_large",
        f"Reading the mesh takes more than {memory_bytes >> 20:,} MiB of memory.",
        "Simplify the mesh or send a smaller part of it.",
    )


def _unforeseen(error: Exception) -> dict[str, Any]:
    refusal = _refusal(
        "malformed_mesh",
        "The mesh cannot be read: it has something that no reader here foresees.",
        "Export the mesh again, best as glb, and send the complete file.",
    )
    return refusal | {"unforeseen": repr(error)[:500]}


def _bound_memory(allowance: int) -> None:
    if sys.platform != "linux":  # elsewhere the limit is not enforced, or cannot be set
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + allowance
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _bound_cpu_time(allowance_s: float) -> None:
    """Allow this much CPU time from now on: a process whose owner died does not run on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + allowance_s) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def main() -> None:
    """Serve on the standard streams, with limits as JSON in the first argument."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # A library that prints must not disturb the protocol: its output goes to standard error.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, replies, IngestLimits(**json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
