"""Pictures of shapes beside an evaluation's figures, and the meshes that stand for its subjects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
import trimesh
from jaxtyping import Float, UInt8

from model.data import procedural
from model.data.labelling import MeshSolid
from model.evaluation.subjects import ShardSource, Source
from model.geometry.isosurface import extract_isosurface
from model.geometry.mesh import load_mesh
from model.rendering import contact_sheet, render

_AZIMUTHS = {"rifle": 70.0, "airplane": 50.0, "car": 50.0}  # long shapes are seen from the side
_AZIMUTH = 35.0
_PROCEDURAL_CELLS = 80  # a side, of the grid that procedural shapes are extracted on
_SPECK = 0.012  # radius of the octahedron that stands for a point, canonical frame

_Item = TypeVar("_Item")


def picture(
    mesh: trimesh.Trimesh, size: int, category: str | None
) -> UInt8[np.ndarray, "size size 3"]:
    """A mesh from where its category shows most; blank where it has no surface."""
    if not len(mesh.faces):
        return np.full((size, size, 3), 255, dtype=np.uint8)
    return render(mesh, size=size, azimuth=_AZIMUTHS.get(category or "", _AZIMUTH))


def in_rows(items: Sequence[_Item], columns: int) -> list[Sequence[_Item]]:
    """Items in rows of so many; the last row may be shorter."""
    return [items[start : start + columns] for start in range(0, len(items), columns)]


def family_blocks(
    pictures: Sequence[UInt8[np.ndarray, "h w 3"]], parents: int, variants: int
) -> list[UInt8[np.ndarray, "block_h block_w 3"]]:
    """The blocks of Figure 12, one a parent, from the pictures of `Sampler.family` in order."""
    return [
        np.asarray(contact_sheet(in_rows(block, variants)))
        for block in in_rows(pictures, len(pictures) // parents)
    ]


def subject_mesh(source: Source) -> trimesh.Trimesh:
    """What a picture of an evaluation's subject shows, canonical frame.

    The mesh itself, a procedural shape's surface, or specks where only points are known.
    """
    if not isinstance(source, ShardSource):
        mesh = load_mesh(source.path.read_bytes(), hint=source.path.name)
        solid = MeshSolid.of(mesh)
        return trimesh.Trimesh(solid.vertices, solid.faces, process=False)
    kind, _, seed = source.name.partition(":")
    if kind in procedural.CATEGORIES and seed.isdigit():
        return procedural_mesh(kind, int(seed))
    return specks(source.arrays.surface[source.row].astype(np.float32))


def procedural_mesh(category: str, seed: int) -> trimesh.Trimesh:
    """The surface of a parametric shape, extracted from its signed distance."""
    axis = torch.linspace(-1.05, 1.05, _PROCEDURAL_CELLS + 1)
    grid = torch.cartesian_prod(axis, axis, axis)[None]
    distances = procedural.build(category, seed).signed_distance(grid)
    logits = -distances.view(len(axis), len(axis), len(axis)).numpy()
    vertices, faces = extract_isosurface(
        logits, lower=(-1.05, -1.05, -1.05), spacing=2.1 / _PROCEDURAL_CELLS
    )
    return trimesh.Trimesh(vertices, faces, process=False)


def specks(points: Float[np.ndarray, "n 3"]) -> trimesh.Trimesh:
    """A small octahedron at each point."""
    corners = _SPECK * np.concatenate([np.eye(3), -np.eye(3)])
    sides = np.array([[x, y, z] for x in (0, 3) for y in (1, 4) for z in (2, 5)])
    vertices = points[:, None] + corners
    faces = np.arange(len(points))[:, None, None] * len(corners) + sides
    return trimesh.Trimesh(vertices.reshape(-1, 3), faces.reshape(-1, 3), process=False)
