"""What a job hands back: files, the shape objects of the public contract, lasting records."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import numpy as np
import trimesh

from model.geometry.mesh import mesh_report
from model.geometry.normalization import Normalization
from model.latentfile import LatentFile
from service.jobs import Artifact, Operation, ShapeRecord
from service.store.refs import latents_ref, mesh_ref

_DECIMALS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What is known of a shape apart from its latents.

    Attributes:
        model: ``name``, ``version`` and ``weights_sha256`` of what made the latents.
        normalization: the user's frame to the canonical frame.
    """

    shape_id: str
    operation: Operation
    model: Mapping[str, str]
    seed: int | None
    category: str | None
    parents: tuple[str, ...]
    normalization: Normalization


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshOptions:
    """How a mesh was asked for; together with the shape it names the mesh."""

    resolution: int
    format: str
    target_faces: int | None
    exhaustive: bool
    space: str

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "MeshOptions":
        """Those of a job; without a ``space`` the shape has one frame only."""
        return cls(
            resolution=params["resolution"],
            format=params["format"],
            target_faces=params.get("target_faces"),
            exhaustive=params.get("exhaustive", False),
            space=params.get("space", "input"),
        )

    def ref(self, shape_id: str) -> str:
        """Name of the mesh's file in the blob store."""
        return mesh_ref(
            shape_id,
            resolution=self.resolution,
            target_faces=self.target_faces,
            exhaustive=self.exhaustive,
            space=self.space,
            format=self.format,
        )

    def url(self, shape_id: str) -> str:
        """Where the gateway serves the mesh; options that are defaults there are left out."""
        query: dict[str, str | int] = {"format": self.format, "resolution": self.resolution}
        if self.target_faces is not None:
            query["target_faces"] = self.target_faces
        if self.exhaustive:
            query["exhaustive"] = "true"
        if self.space != "input":
            query["space"] = self.space
        return f"/shapes/{shape_id}/mesh?{urlencode(query)}"


def latent_file(levels: Mapping[int, np.ndarray], provenance: Provenance) -> LatentFile:
    """The shape's latents with everything that is needed to use them elsewhere."""
    metadata = {
        "shape": provenance.shape_id,
        "model": provenance.model["name"],
        "weights_sha256": provenance.model["weights_sha256"],
        "normalization": json.dumps(asdict(provenance.normalization)),
    }
    if provenance.category is not None:
        metadata["category"] = provenance.category
    if provenance.seed is not None:
        metadata["seed"] = str(provenance.seed)
    return LatentFile(levels, metadata)


def shape_object(
    provenance: Provenance,
    levels: Mapping[int, np.ndarray],
    mesh: Mapping[str, Any],
    metrics: Mapping[str, float] | None,
    *,
    reused: bool,
) -> dict[str, Any]:
    """A shape as the public contract shows it; ``mesh`` is made by ``mesh_entry``."""
    return {
        "id": provenance.shape_id,
        "seed": provenance.seed,
        "category": provenance.category,
        "parents": list(provenance.parents),
        "mesh": dict(mesh),
        "latents": {
            str(level): _latents_entry(provenance.shape_id, levels[level])
            for level in sorted(levels, reverse=True)
        },
        "normalization": asdict(provenance.normalization),
        "metrics": dict(metrics) if metrics is not None else None,
        "reused": reused,
    }


def mesh_entry(
    shape_id: str, options: MeshOptions, mesh: trimesh.Trimesh, size: int
) -> dict[str, Any]:
    """A mesh as the public contract shows it; ``size`` is that of its file in bytes."""
    report = asdict(mesh_report(mesh))
    report["bounds"] = [
        [round(value, _DECIMALS) for value in corner] for corner in report["bounds"]
    ]
    return {"url": options.url(shape_id), **asdict(options), "bytes": size, **report}


def final_artifact(sample: int, options: MeshOptions, shape: Mapping[str, Any]) -> Artifact:
    """The mesh of a finished shape, as the last that those who watch its job are shown."""
    mesh = shape["mesh"]
    return Artifact(
        sample=sample,
        shape=shape["id"],
        resolution=options.resolution,
        format=options.format,
        ref=options.ref(shape["id"]),
        bytes=mesh["bytes"],
        faces=mesh["faces"],
        vertices=mesh["vertices"],
        url=mesh["url"],
    )


def moment(milliseconds: int) -> str:
    """A time as the public contract shows it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def shape_record(
    provenance: Provenance, shape: dict[str, Any], *, created_ms: int, expires_ms: int
) -> ShapeRecord:
    """The lasting record of a new shape."""
    return ShapeRecord(
        id=provenance.shape_id,
        meta={**shape, "operation": provenance.operation, "model": dict(provenance.model)},
        latents_ref=latents_ref(provenance.shape_id),
        parents=provenance.parents,
        created_ms=created_ms,
        expires_ms=expires_ms,
    )


def _latents_entry(shape_id: str, vectors: np.ndarray) -> dict[str, Any]:
    return {
        "url": f"/shapes/{shape_id}/latents?format=safetensors",
        "shape": list(vectors.shape),
        "dtype": "float32",
        "sha256": hashlib.sha256(np.ascontiguousarray(vectors, dtype="<f4").tobytes()).hexdigest(),
    }
