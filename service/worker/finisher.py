"""From drafts to files: meshes, simplifies, measures, exports, stores. Knows no torch."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
import trimesh
from jaxtyping import Float64

from model.evaluation.metrics import chamfer_distance, f_score
from model.geometry.mesh import export_mesh
from model.geometry.normalization import Normalization
from model.geometry.sampling import sample_surface
from model.geometry.simplification import simplify
from model.geometry.surface import extract_surface
from service.errors import EmptySurface
from service.jobs import Artifact, Stage
from service.store.blobs import BlobStore
from service.store.refs import latents_ref, preview_ref
from service.worker.draft import Draft, Finished, Preview, SurfaceLogits
from service.worker.results import latent_file, mesh_entry, moment, shape_object, shape_record
from service.worker.stopwatch import Stopwatch

METRIC_POINTS = 8192
_METRIC_SEED = 0
_METRIC_DECIMALS = 6

OnStage = Callable[[Stage], None]
"""Told of each stage that begins."""


class Finishing(Protocol):
    """What finishes what the model leaves, here or in another process; one thing at a time."""

    def finish(self, draft: Draft, on_stage: OnStage) -> Finished:
        """Make the files of one shape. Raises ``ServiceError`` where that cannot be done."""

    def preview(self, preview: Preview) -> Artifact | None:
        """Make the file of a coarse surface; None where that has no surface yet."""


class Finisher:
    """A ``Finishing`` in this process.

    Args:
        store: where the files go.
        retention_s: how long new shapes are kept.
        mesh_retention_s: how long meshes are.
    """

    def __init__(self, store: BlobStore, *, retention_s: int, mesh_retention_s: int) -> None:
        self._store = store
        self._retention_ms = retention_s * 1000
        self._mesh_retention_ms = mesh_retention_s * 1000
        self._io = asyncio.Runner()

    def finish(self, draft: Draft, on_stage: OnStage) -> Finished:
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
        metrics = _metrics(draft, mesh)
        begin(Stage.EXPORT)
        in_input_space = draft.options.space == "input"
        mesh = _placed(mesh, draft.provenance.normalization if in_input_space else None)
        data = export_mesh(mesh, draft.options.format)
        now_ms = int(time.time() * 1000)
        entry = mesh_entry(draft.provenance.shape_id, draft.options, mesh, len(data))
        entry["expires_at"] = moment(now_ms + self._mesh_retention_ms)
        shape = shape_object(draft.provenance, draft.levels, entry, metrics, reused=draft.reused)
        self._store_files(draft, data)
        record = None
        if draft.new:
            expires_ms = now_ms + self._retention_ms
            shape["expires_at"] = moment(expires_ms)
            record = shape_record(draft.provenance, shape, created_ms=now_ms, expires_ms=expires_ms)
        stopwatch.enter(None)
        return Finished(shape, record, stopwatch.timings_ms)

    def preview(self, preview: Preview) -> Artifact | None:
        """Make the file of a coarse surface; None where that has no surface yet."""
        surface = _surface(preview.logits)
        if len(surface.faces) == 0:
            return None
        mesh = _placed(surface, preview.normalization)
        data = export_mesh(mesh, "glb")
        ref = preview_ref(preview.job_id, preview.attempt, preview.sample, preview.resolution)
        self._io.run(self._store.put(ref, data))
        return Artifact(
            sample=preview.sample,
            shape=preview.shape_id,
            resolution=preview.resolution,
            ref=ref,
            bytes=len(data),
            faces=len(mesh.faces),
            vertices=len(mesh.vertices),
        )

    def close(self) -> None:
        """Let go of the event loop that the store runs in."""
        self._io.close()

    def _store_files(self, draft: Draft, data: bytes) -> None:
        shape_id = draft.provenance.shape_id
        self._io.run(self._store.put(draft.options.ref(shape_id), data))
        if draft.new:
            file = latent_file(draft.levels, draft.provenance).to_safetensors()
            self._io.run(self._store.put(latents_ref(shape_id), file))


def _surface(logits: SurfaceLogits) -> trimesh.Trimesh:
    lower = (logits.lower,) * 3
    surface = extract_surface(logits.blocks, lower=lower, spacing=logits.spacing)
    return trimesh.Trimesh(*surface, process=False)


def _mesh(draft: Draft) -> trimesh.Trimesh:
    """The draft's surface, simplified where that was asked for, canonical frame."""
    mesh = _surface(draft.logits)
    if len(mesh.faces) == 0:
        raise EmptySurface(
            "The decoded field has no surface: it is outside everywhere.",
            suggestion="Try another seed, guidance near its default, or a finer resolution for thin"
            " shapes; latents of your own should be like those that the model makes.",
        )
    target = draft.options.target_faces
    return mesh if target is None else simplify(mesh, target)


def _placed(mesh: trimesh.Trimesh, normalization: Normalization | None) -> trimesh.Trimesh:
    """The mesh in the user's frame; as it is, where that is not wanted."""
    if normalization is None:
        return mesh
    vertices = normalization.invert(np.asarray(mesh.vertices))
    return trimesh.Trimesh(vertices, mesh.faces, process=False)


def _metrics(draft: Draft, mesh: trimesh.Trimesh) -> dict[str, float] | None:
    """How close a shape is to what it comes from, canonical frame; None where that is nothing.

    An encoded shape is compared with its input, a variant with its parent (which is extracted at
    the same resolution and not simplified). Chamfer distances are means of both directions.
    """
    measured = {}
    if draft.points is not None:
        points = draft.points.astype(np.float64)
        measured["chamfer"] = chamfer_distance(points, _sampled(mesh))
        measured["f_score"] = f_score(points, _sampled(mesh))
    if draft.parent is not None and len((parent := _surface(draft.parent)).faces):
        measured["parent_distance"] = chamfer_distance(_sampled(parent), _sampled(mesh))
    return {name: round(value, _METRIC_DECIMALS) for name, value in measured.items()} or None


def _sampled(mesh: trimesh.Trimesh) -> Float64[np.ndarray, "n 3"]:
    return sample_surface(mesh, METRIC_POINTS, seed=_METRIC_SEED)
