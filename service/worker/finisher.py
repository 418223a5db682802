"""From drafts to files: meshes, simplifies, measures, exports, stores. Knows no torch."""

import asyncio
import time
from collections.abc import Callable

import numpy as np
import trimesh

from model.evaluation.metrics import chamfer_distance, f_score
from model.geometry.mesh import export_mesh
from model.geometry.sampling import sample_surface
from model.geometry.simplification import simplify
from model.geometry.surface import extract_surface
from service.errors import EmptySurface
from service.jobs import Stage
from service.store.blobs import BlobStore
from service.store.refs import latents_ref, mesh_ref
from service.worker.draft import Draft, Finished
from service.worker.results import latent_file, mesh_entry, shape_object, shape_record
from service.worker.stopwatch import Stopwatch

METRIC_POINTS = 8192
_METRIC_SEED = 0
_METRIC_DECIMALS = 6

OnStage = Callable[[Stage], None]
"""Told of each stage that begins."""


class Finisher:
    """Finishes drafts, one after the other.

    Args:
        store: where the files go.
        retention_s: how long new shapes are kept.
    """

    def __init__(self, store: BlobStore, *, retention_s: int) -> None:
        self._store = store
        self._retention_ms = retention_s * 1000
        self._io = asyncio.Runner()

    def __call__(self, draft: Draft, on_stage: OnStage) -> Finished:
        """Make the files of one shape.

        Raises:
            EmptySurface: the field has none.
        """
        stopwatch = Stopwatch()

        def begin(stage: Stage) -> None:
            stopwatch.enter(stage)
            on_stage(stage)

        begin(Stage.MESH)
        mesh = _mesh(draft)
        metrics = _reconstruction_metrics(draft, mesh)
        begin(Stage.EXPORT)
        mesh = _in_space(draft, mesh)
        data = export_mesh(mesh, draft.options.format)
        entry = mesh_entry(draft.provenance.shape_id, draft.options, mesh, len(data))
        shape = shape_object(draft.provenance, draft.levels, entry, metrics)
        self._store_files(draft, data)
        record = None
        if draft.new:
            now_ms = int(time.time() * 1000)
            record = shape_record(
                draft.provenance, shape, created_ms=now_ms, expires_ms=now_ms + self._retention_ms
            )
        stopwatch.enter(None)
        return Finished(shape, record, stopwatch.timings_ms)

    def close(self) -> None:
        """Let go of the event loop that the store runs in."""
        self._io.close()

    def _store_files(self, draft: Draft, data: bytes) -> None:
        shape_id, options = draft.provenance.shape_id, draft.options
        name = mesh_ref(
            shape_id,
            resolution=options.resolution,
            target_faces=options.target_faces,
            exhaustive=options.exhaustive,
            space=options.space,
            format=options.format,
        )
        self._io.run(self._store.put(name, data))
        if draft.new:
            file = latent_file(draft.levels, draft.provenance).to_safetensors()
            self._io.run(self._store.put(latents_ref(shape_id), file))


def _mesh(draft: Draft) -> trimesh.Trimesh:
    """The draft's surface, simplified where that was asked for, canonical frame."""
    lower = (draft.lower,) * 3
    vertices, faces = extract_surface(draft.blocks, lower=lower, spacing=draft.spacing)
    if len(faces) == 0:
        raise EmptySurface(
            "The decoded field has no surface: it is outside everywhere.",
            suggestion="Try another seed, or a finer resolution for thin shapes.",
        )
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    target = draft.options.target_faces
    return mesh if target is None else simplify(mesh, target)


def _in_space(draft: Draft, mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """The mesh in the frame that was asked for."""
    if draft.options.space != "input":
        return mesh
    vertices = draft.provenance.normalization.invert(np.asarray(mesh.vertices))
    return trimesh.Trimesh(vertices, mesh.faces, process=False)


def _reconstruction_metrics(draft: Draft, mesh: trimesh.Trimesh) -> dict[str, float] | None:
    """How close an encoded shape is to its input, canonical frame; None for other operations."""
    if draft.points is None:
        return None
    surface = sample_surface(mesh, METRIC_POINTS, seed=_METRIC_SEED)
    points = draft.points.astype(np.float64)
    return {
        "chamfer": round(chamfer_distance(points, surface), _METRIC_DECIMALS),
        "f_score": round(f_score(points, surface), _METRIC_DECIMALS),
    }
