"""Quadric edge collapse with a check of its result."""

import fast_simplification
import numpy as np
import trimesh

from model.geometry.normalization import Normalization

FEWEST_FACES = 4  # a tetrahedron, the smallest closed mesh

# How large an error one collapse may make, gentle first: the gentle setting keeps shapes best,
# but comes to a halt before small targets are reached.
_AGGRESSIVENESS = (2.0, 4.0, 7.0)


def simplify(mesh: trimesh.Trimesh, target_faces: int) -> trimesh.Trimesh:
    """`mesh` with at most `target_faces` faces where that is possible, never fewer than four.

    A closed surface stays closed: where the target cannot be met without tearing it, the answer
    has more faces. A mesh that is small enough already is returned as a copy.

    Raises:
        ValueError: `target_faces` is below four.
    """
    if target_faces < FEWEST_FACES:
        raise ValueError(f"target_faces must be at least {FEWEST_FACES}, got {target_faces}")
    target = target_faces
    while target < len(mesh.faces):
        reduced = _reduce(mesh, target)
        if reduced is not None:
            return reduced
        target *= 2
    return mesh.copy()


def _reduce(mesh: trimesh.Trimesh, target_faces: int) -> trimesh.Trimesh | None:
    """The gentlest sound reduction to the target, else the smallest sound one, if any."""
    # The permitted error is absolute, so the same shape must come in the same size.
    frame = Normalization.of_points(np.asarray(mesh.vertices, dtype=np.float64))
    vertices, faces = frame.apply(np.asarray(mesh.vertices)), np.asarray(mesh.faces)
    best: trimesh.Trimesh | None = None
    for aggressiveness in _AGGRESSIVENESS:
        vertices, faces, *_ = fast_simplification.simplify(
            vertices, faces, target_count=target_faces, agg=aggressiveness
        )
        reduced = trimesh.Trimesh(frame.invert(vertices), faces, process=False)
        torn = mesh.is_watertight and not reduced.is_watertight
        if len(faces) < FEWEST_FACES or torn:
            break
        best = reduced
        if len(faces) <= target_faces:
            break
    return best
