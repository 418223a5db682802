"""Bounds for reading an untrusted mesh: what the pool and its processes agree on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """Bounds for reading one mesh.

    Attributes:
        max_bytes: of the file.
        max_faces: of the mesh.
        memory_bytes: address space on top of what the idle process has.
        timeout_s: wall-clock seconds, and CPU seconds.
    """

    max_bytes: int
    max_faces: int
    memory_bytes: int
    timeout_s: float
