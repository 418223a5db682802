"""One shape as a folder: `shape.safetensors`, its lasting latents, beside `mesh.glb`, its mesh."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trimesh

from model.geometry.mesh import export_mesh, mesh_report
from model.geometry.normalization import Normalization
from model.geometry.simplification import simplify
from model.latentfile import LatentFile, LatentFileError
from model.latents import Latents
from model.pipeline import ModelInfo

LATENTS_NAME = "shape.safetensors"


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape's latents (a batch of one) with what is known about it."""

    latents: Latents
    normalization: Normalization
    category: str | None = None
    seed: int | None = None

    @classmethod
    def read(cls, path: Path, info: ModelInfo, *, any_weights: bool) -> Shape:
        """Read a latents file made by `save_latents` or by the service.

        Raises:
            LatentFileError: not latents, or not latents of the model `info`.
        """
        try:
            file = LatentFile.from_bytes(path.read_bytes())
        except LatentFileError as error:
            raise LatentFileError(f"{path}: {error}") from None
        expected = {level["level"]: (level["tokens"], level["channels"]) for level in info.levels}
        found = {number: vectors.shape for number, vectors in file.levels.items()}
        if found != expected:
            raise LatentFileError(
                f"{path} has {_sizes(found)}; the model {info.name!r} has {_sizes(expected)}"
            )
        made_by = file.metadata.get("weights_sha256", info.weights_sha256)
        if made_by != info.weights_sha256 and not any_weights:
            raise LatentFileError(
                f"{path} was made with the weights {made_by[:12]}, not {info.weights_sha256[:12]}: "
                "name those with --weights, or try all the same with --any-weights"
            )
        return cls(
            Latents.from_numpy([dict(file.levels)]),
            _normalization(path, file.metadata.get("normalization")),
            file.metadata.get("category") or None,
        )

    def save_latents(self, path: Path, info: ModelInfo) -> None:
        """Write the latents as safetensors, with what is known in its header."""
        frame = self.normalization
        metadata = {
            "model": info.name,
            "weights_sha256": info.weights_sha256,
            "normalization": json.dumps({"center": frame.center, "scale": frame.scale}),
        }
        if self.category is not None:
            metadata["category"] = self.category
        if self.seed is not None:
            metadata["seed"] = str(self.seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(LatentFile(self.latents.to_numpy(0), metadata).to_safetensors())

    def save_mesh(
        self,
        path: Path,
        surface: trimesh.Trimesh,
        *,
        mesh_format: str,
        target_faces: int | None,
        space: str,
    ) -> dict[str, Any]:
        """Simplify, place and write the shape's surface; returns its report, JSON-able.

        Args:
            path: the file to write.
            surface: canonical frame.
            mesh_format: one of `EXPORT_FORMATS`.
            target_faces: None leaves the surface as it is.
            space: "input" is the frame of the mesh once encoded, "normalized" the canonical one.

        Raises:
            ValueError: the surface is empty.
        """
        if not len(surface.faces):
            raise ValueError(f"{path} is not written: the shape has no surface at this resolution")
        mesh = surface if target_faces is None else simplify(surface, target_faces)
        if space == "input":
            vertices = self.normalization.invert(mesh.vertices)
            mesh = trimesh.Trimesh(vertices, mesh.faces, process=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(export_mesh(mesh, mesh_format))
        return {"path": str(path), "format": mesh_format, **asdict(mesh_report(mesh))}


def _sizes(levels: Mapping[int, tuple[int, ...]]) -> str:
    return ", ".join(
        f"level{number} {levels[number][0]}x{levels[number][1]}"
        for number in sorted(levels, reverse=True)
    )


def _normalization(path: Path, text: str | None) -> Normalization:
    """The frame told in a file's header; the canonical one where nothing is told."""
    if not text:
        return Normalization.identity()
    try:
        values = json.loads(text)
        x, y, z = (float(value) for value in values["center"])
        return Normalization((x, y, z), float(values["scale"]))
    except (LookupError, TypeError, ValueError) as error:
        raise LatentFileError(f"{path} has a broken normalization {text!r}: {error}") from None
