"""Shapes with known answers to evaluate a model on: from shards or from meshes.

All points are in the canonical frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import trimesh
from jaxtyping import Bool, Float32
from torch.nn import functional

from model.data import procedural
from model.data.labelling import MeshSolid, UnusableMeshError, label_mesh
from model.data.prepare import MESH_SUFFIXES
from model.data.procedural.solids import Solids
from model.data.shards import ShapeArrays, ShapeSample, read_shards
from model.evaluation.metrics import in_one_piece
from model.geometry.mesh import load_mesh, mesh_report
from model.geometry.sampling import farthest_point_order, sample_oriented_surface

CLOUD_POINTS = 8192  # the encoder's input, as served
ORDERED_POINTS = 2048  # of it in farthest-point order, as served
SURFACE_POINTS = 50_000  # to measure distances from
VOLUME_POINTS = 32_768  # uniform in the bounding box, to measure the IoU at
OTHER = "other"  # the category of shapes without a label

_NO_POINTS = np.empty((0, 3), np.float32)
_NO_ANSWERS = np.empty(0, np.bool_)
_NORMAL_STEP = 5e-4  # small beside any part, large beside float32's rounding of distances


@dataclass(frozen=True, slots=True)
class Subject:
    """One shape and its ground truth.

    `cloud` is what the encoder sees: surface points that begin in farthest-point order. `volume` is
    uniform in the shape's bounding box, and empty where only sampled points of a shape are known,
    as of a mesh in a shard: then its volume IoU cannot be told. `near` is empty too for a mesh
    that bounds no solid. `normals` are the unit normals at `surface`, None where only points are
    known.
    """

    name: str
    category: str
    cloud: Float32[np.ndarray, "n 3"]
    surface: Float32[np.ndarray, "m 3"]
    near: Float32[np.ndarray, "w 3"]
    near_occupied: Bool[np.ndarray, "w"]
    volume: Float32[np.ndarray, "v 3"]
    volume_occupied: Bool[np.ndarray, "v"]
    normals: Float32[np.ndarray, "m 3"] | None = None
    watertight: bool | None = None  # as `mesh_report` tells it; None where it is no mesh
    one_piece: bool | None = None  # as `in_one_piece` tells it; None where only points are known


@dataclass(frozen=True, slots=True)
class MeshSource:
    """A mesh file; its inside is told by winding numbers (`model.data.labelling`)."""

    folder: Path
    path: Path

    @property
    def name(self) -> str:
        """The shape's name in reports."""
        return self.path.relative_to(self.folder).as_posix()

    @property
    def category(self) -> str | None:
        """The name of the sub-folder, as `lagem data prepare` takes it; None without one."""
        first, *inside = self.path.relative_to(self.folder).parts
        return first if inside else None

    def load(self) -> Subject:
        """Sample and label the mesh, the same each time.

        Raises:
            MeshError: the file is no mesh.
            UnusableMeshError: the mesh has no faces.
        """
        mesh = load_mesh(self.path.read_bytes(), hint=self.path.name)
        if not isinstance(mesh, trimesh.Trimesh):
            raise UnusableMeshError("no faces: a point cloud has no inside")
        solid = MeshSolid.of(mesh)
        outer = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
        points, normals = sample_oriented_surface(outer, SURFACE_POINTS, seed=0)
        surface = points.astype(np.float32)
        subject = Subject(
            name=self.name,
            category=self.category or OTHER,
            cloud=_cloud(surface),
            surface=surface,
            near=_NO_POINTS,
            near_occupied=_NO_ANSWERS,
            volume=_NO_POINTS,
            volume_occupied=_NO_ANSWERS,
            normals=normals.astype(np.float32),
            watertight=mesh_report(mesh).watertight,
            one_piece=in_one_piece(outer),
        )
        try:
            sample = label_mesh(mesh, category=self.category, name=self.name, seed=0)
        except UnusableMeshError:
            return subject  # of its surface alone
        volume = box_points(surface)
        return replace(
            subject,
            near=sample.near.astype(np.float32),
            near_occupied=sample.near_occupied.astype(bool),
            volume=volume,
            volume_occupied=solid.occupied(volume),
        )


@dataclass(frozen=True, slots=True)
class ShardSource:
    """A shape of a shard; procedural ones are built again by their name, hence known exactly."""

    arrays: ShapeArrays
    row: int

    @property
    def name(self) -> str:
        """The shape's name in reports."""
        return self.arrays.names[self.row]

    @property
    def category(self) -> str | None:
        """The label of the shape in its shard."""
        return self.arrays.categories[self.row]

    def load(self) -> Subject:
        """Gather the shape's points, the same each time."""
        arrays, row = self.arrays, self.row
        sample = ShapeSample(
            surface=arrays.surface[row],
            inside=arrays.inside[row],
            outside=arrays.outside[row],
            near=arrays.near[row],
            near_occupied=arrays.near_occupied[row],
            category=self.category,
            name=self.name,
        )
        kind, _, seed = self.name.partition(":")
        if kind in procedural.CATEGORIES and seed.isdigit():
            solids = procedural.build(kind, int(seed))
            generator = torch.Generator().manual_seed(0)
            surface = solids.sample_surface(SURFACE_POINTS, generator)[0].numpy()
            volume = box_points(surface)
            subject = _subject(sample, surface, volume, _occupied(solids, volume))
            return replace(subject, normals=distance_normals(solids, surface), one_piece=True)
        surface = sample.surface.astype(np.float32)
        return _subject(sample, surface, _NO_POINTS, _NO_ANSWERS)


Source = MeshSource | ShardSource
"""Where one subject comes from."""


def find_subjects(folder: Path, limit: int | None = None) -> list[Source]:
    """The shapes in a folder of shards, or of meshes whose sub-folders are categories.

    Args:
        folder: searched for shards first.
        limit: take so many at most, evenly spread over the folder.

    Raises:
        ValueError: the folder holds neither.
    """
    sources: list[Source]
    if any(folder.glob("*.safetensors")):
        arrays = read_shards(folder)
        sources = [ShardSource(arrays, row) for row in range(len(arrays))]
    else:
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in MESH_SUFFIXES)
        sources = [MeshSource(folder, path) for path in files]
    if not sources:
        raise ValueError(f"{folder} holds neither shards (*.safetensors) nor meshes")
    if limit is None or limit >= len(sources):
        return sources
    return [sources[i * len(sources) // limit] for i in range(limit)]


def _subject(
    sample: ShapeSample,
    surface: Float32[np.ndarray, "m 3"],
    volume: Float32[np.ndarray, "v 3"],
    volume_occupied: Bool[np.ndarray, "v"],
) -> Subject:
    return Subject(
        name=sample.name,
        category=sample.category or OTHER,
        cloud=_cloud(surface),
        surface=surface,
        near=sample.near.astype(np.float32),
        near_occupied=sample.near_occupied.astype(bool),
        volume=volume,
        volume_occupied=volume_occupied,
    )


def _cloud(surface: Float32[np.ndarray, "m 3"]) -> Float32[np.ndarray, "n 3"]:
    """The first surface points, as the encoder is served with them."""
    cloud = surface[:CLOUD_POINTS]
    first = farthest_point_order(cloud, min(ORDERED_POINTS, len(cloud)))
    rest = np.ones(len(cloud), dtype=bool)
    rest[first] = False
    return np.concatenate([cloud[first], cloud[rest]])


def distance_normals(
    solids: Solids, points: Float32[np.ndarray, "n 3"]
) -> Float32[np.ndarray, "n 3"]:
    """Outward unit normals of one shape at surface points: the gradient of its signed distance.

    By central differences `_NORMAL_STEP` long: nearer than that to an edge, normals are between
    those of its two sides.
    """
    surface = torch.from_numpy(points)[None]
    slopes = [
        solids.signed_distance(surface + step) - solids.signed_distance(surface - step)
        for step in _NORMAL_STEP * torch.eye(3)
    ]
    normals: Float32[np.ndarray, "n 3"] = (
        functional.normalize(torch.cat(slopes), dim=0).T.contiguous().numpy()
    )
    return normals


def box_points(surface: Float32[np.ndarray, "m 3"]) -> Float32[np.ndarray, "v 3"]:
    """Points uniform in the surface's bounding box."""
    lower, upper = surface.min(axis=0), surface.max(axis=0)
    draws = np.random.default_rng(0).random((VOLUME_POINTS, 3), dtype=np.float32)
    points: Float32[np.ndarray, "v 3"] = lower + (upper - lower) * draws
    return points


def _occupied(solids: Solids, points: Float32[np.ndarray, "v 3"]) -> Bool[np.ndarray, "v"]:
    occupied: Bool[np.ndarray, "v"] = solids.occupied(torch.from_numpy(points)[None])[0].numpy()
    return occupied
