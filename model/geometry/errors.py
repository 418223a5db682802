"""The one error that mesh input and output raise."""

from typing import Literal

MeshErrorCode = Literal[
    "unsupported_mesh_format",
    "mesh_too_large",
    "malformed_mesh",
    "empty_mesh",
    "non_finite_mesh",
    "invalid_mesh_index",
    "point_cloud_too_small",
]


class MeshError(ValueError):
    """A mesh that cannot be read or written.

    Attributes:
        code: one of the closed set `MeshErrorCode`, for programs.
        detail: the cause in one sentence, with the numbers that show it.
        suggestion: what the caller can do about it.
    """

    def __init__(self, code: MeshErrorCode, detail: str, suggestion: str) -> None:
        # All three go to `args`, so that the error survives pickling out of a process pool.
        super().__init__(code, detail, suggestion)
        self.code: MeshErrorCode = code
        self.detail = detail
        self.suggestion = suggestion

    def __str__(self) -> str:
        return f"{self.detail} {self.suggestion}"


def malformed(detail: str) -> MeshError:
    """The error for a file that contradicts itself or ends too early."""
    return MeshError(
        "malformed_mesh", detail, "Export the mesh again and send the complete, unmodified file."
    )


def too_large(what: str, found: int, limit: int) -> MeshError:
    """The error for a size above its limit, such as `too_large("faces", 3_000_000, 2_000_000)`."""
    return MeshError(
        "mesh_too_large",
        f"The mesh has {found:,} {what}; at most {limit:,} are accepted.",
        "Simplify the mesh or send a smaller part of it.",
    )
