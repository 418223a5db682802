"""Marching cubes on a dense grid of logits: the reference that `extract_surface` must match."""

import mcubes
import numpy as np
from jaxtyping import Float32, Float64, Int64

NUDGE = np.float32(1e-7)


def extract_isosurface(
    logits: Float32[np.ndarray, "x y z"], *, lower: tuple[float, float, float], spacing: float
) -> tuple[Float64[np.ndarray, "v 3"], Int64[np.ndarray, "f 3"]]:
    """The surface `logit = 0` as a triangle mesh.

    Logits are positive inside; faces are counter-clockwise seen from outside. Vertices are
    shared by the faces around them. A shape that reaches the border of the grid is left open
    there: pad the grid with a layer of outside (negative) samples to close it.

    Args:
        logits: occupancy logits; sample (i, j, k) lies at `lower + spacing * (i, j, k)`.
        lower: position of sample (0, 0, 0).
        spacing: distance of neighbouring samples, positive.

    Returns:
        Vertices in the frame of `lower`, and faces as rows of vertex indices. Both are empty
        where no sign change is found.

    Raises:
        ValueError: a logit is not finite, an axis has fewer than two samples, or `spacing` is
            not positive.
    """
    if min(logits.shape) < 2:
        raise ValueError(f"logits needs two samples along each axis, got shape {logits.shape}")
    if not spacing > 0:
        raise ValueError(f"spacing must be positive, got {spacing}")
    if not np.isfinite(logits).all():
        raise ValueError("logits must be finite: NaN samples would become NaN vertices")
    if logits.max() <= 0 or logits.min() >= 0:
        return np.empty((0, 3)), np.empty((0, 3), dtype=np.int64)
    # A sample that is exactly zero would put the vertices of all its edges on one spot, which
    # makes degenerate faces; a nudge to the outside keeps them apart.
    nudged = np.where(logits == 0, -NUDGE, logits)
    vertices, faces = mcubes.marching_cubes(nudged, 0.0)
    return vertices * spacing + np.asarray(lower), faces.astype(np.int64)


def enclose(logits: Float32[np.ndarray, "x y z"]) -> Float32[np.ndarray, "x+2 y+2 z+2"]:
    """The grid with a layer of outside samples around it, which closes what reaches the border.

    The layer repeats the border, negative: the surface is closed half a cell outside the grid.
    """
    enclosed = np.pad(logits, 1, mode="edge")
    np.negative(enclosed, out=enclosed, where=enclosed > 0)
    enclosed[1:-1, 1:-1, 1:-1] = logits
    return enclosed
