"""Pictures of what a model makes: categories, reconstructions, levels of detail."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import trimesh
from jaxtyping import UInt8
from tqdm import tqdm

from model.config import CATEGORIES
from model.data import procedural
from model.data.prepare import MESH_SUFFIXES
from model.data.synthesize import TEST_SEEDS
from model.geometry.isosurface import extract_isosurface
from model.geometry.mesh import load_mesh
from model.geometry.sampling import to_point_cloud
from model.latents import Latents
from model.pipeline import ShapePipeline
from model.rendering import contact_sheet, render

SAMPLES = 4  # of each category, and variants of each kept level
MOST_RECONSTRUCTIONS = 10
RECONSTRUCTIONS_A_ROW = 5

_AZIMUTHS = {"rifle": 70.0, "airplane": 50.0, "car": 50.0}  # long shapes are seen from the side
_AZIMUTH = 35.0
_LEVELS_CATEGORY = "sofa"
_Item = TypeVar("_Item")

_PICTURE, _SMALL_PICTURE = 224, 144  # pixels
_PROCEDURAL_CELLS = 80  # a side, of the grid that procedural inputs are extracted on

_LEVELS_CAPTION = (
    "four blocks, one coarse structure (level 3) each; the rows of a block share one choice of "
    "major details (level 2), its columns differ in minor details (level 1). Compare Figure 12 of "
    "the paper."
)


def draw_gallery(
    pipeline: ShapePipeline,
    folder: Path,
    *,
    meshes: Path | None,
    seed: int,
    steps: int,
    guidance: float,
    resolution: int,
) -> list[Path]:
    """Write the pictures that the model can make, and a README.md that says how; returns all files.

    A model without a cascade gives reconstructions only.

    Args:
        pipeline: the model.
        folder: written into, made if missing.
        meshes: folder of meshes to reconstruct; None: procedural shapes of the test split.
        seed: of the first generated shape.
        steps: noise levels of the sampler.
        guidance: weight of the category.
        resolution: cells per side of the extraction grid.
    """
    artist = _Artist(pipeline, seed, steps, guidance, resolution)
    folder.mkdir(parents=True, exist_ok=True)
    captions: dict[str, str] = {}
    if "generate" in pipeline.info.can:
        captions |= artist.categories(folder)
        if len(pipeline.info.levels) >= 3:
            captions |= artist.levels(folder)
    captions |= artist.reconstructions(folder, meshes)
    readme = folder / "README.md"
    readme.write_text(_readme(captions, artist, meshes))
    return [*(folder / name for name in captions), readme]


@dataclass(frozen=True, slots=True)
class _Artist:
    """Draws with one model and one choice of settings; each method writes and captions pictures."""

    pipeline: ShapePipeline
    seed: int
    steps: int
    guidance: float
    resolution: int

    def categories(self, folder: Path) -> dict[str, str]:
        """Samples of every category, and one good sample of each in a wide picture."""
        names = self.pipeline.info.categories
        seeds = [self.seed + i for i in range(SAMPLES)]
        latents = self._sample(
            [seed for seed in seeds for _ in names], [name for _ in seeds for name in names]
        )
        surfaces = self._surfaces(latents, "categories")
        azimuths = [_AZIMUTHS.get(name, _AZIMUTH) for name in names]
        pictures = [
            _picture(surface, _PICTURE, azimuths[i % len(names)])
            for i, surface in enumerate(surfaces)
        ]
        rows = _rows(pictures, len(names))
        sheet = contact_sheet(rows, row_labels=[str(s) for s in seeds], column_labels=names)
        sheet.save(folder / "categories.png")
        shares = [[main_share(surface) for surface in row] for row in _rows(surfaces, len(names))]
        best = np.argmax(shares, axis=0).tolist()
        hero = [rows[row][i] for i, row in enumerate(best)]
        contact_sheet([hero], column_labels=names).save(folder / "hero.png")
        chosen = ", ".join(f"{name} {seeds[row]}" for name, row in zip(names, best, strict=True))
        return {
            "hero.png": f"Of the samples below, those with the fewest loose parts: {chosen}.",
            "categories.png": f"{SAMPLES} samples of each category, not chosen; rows are seeds.",
        }

    def levels(self, folder: Path) -> dict[str, str]:
        """Variants that share coarse levels, as in the paper's Figure 12."""
        known = self.pipeline.info.categories
        category = _LEVELS_CATEGORY if _LEVELS_CATEGORY in known else known[0]
        coarsest = len(self.pipeline.info.levels)
        blocks = self._variants(None, None, category)
        rows = self._variants(blocks, coarsest, category)
        cells = self._variants(rows, coarsest - 1, category)
        surfaces = self._surfaces(cells, "levels")
        azimuth = _AZIMUTHS.get(category, _AZIMUTH)
        pictures = [_picture(surface, _SMALL_PICTURE, azimuth) for surface in surfaces]
        sheets = [
            np.asarray(contact_sheet(_rows(block, SAMPLES)))
            for block in _rows(pictures, SAMPLES**2)
        ]
        contact_sheet(_rows(sheets, 2)).save(folder / "levels.png")
        return {"levels.png": f"Category {category}, {_LEVELS_CAPTION}"}

    def reconstructions(self, folder: Path, meshes: Path | None) -> dict[str, str]:
        """Inputs, each above its reconstruction."""
        inputs = _procedural_inputs() if meshes is None else spread_meshes(meshes)
        names = list(inputs)
        pictures: dict[str, list[UInt8[np.ndarray, "h w 3"]]] = {"input": [], "reconstruction": []}
        for name in tqdm(names, desc="reconstructions", disable=not sys.stderr.isatty()):
            cloud = to_point_cloud(inputs[name])
            [surface] = self.pipeline.meshes(
                self.pipeline.encode(cloud.points[None]), resolution=self.resolution
            )
            azimuth = _AZIMUTHS.get(name, _AZIMUTH)  # strangers' meshes face anywhere
            pictures["input"].append(_picture(inputs[name], _PICTURE, azimuth))
            pictures["reconstruction"].append(_picture(surface, _PICTURE, azimuth))
        rows, labels = [], []
        for start in range(0, len(names), RECONSTRUCTIONS_A_ROW):
            for label, made in pictures.items():
                rows.append(made[start : start + RECONSTRUCTIONS_A_ROW])
                labels.append(label)
        contact_sheet(rows, row_labels=labels).save(folder / "reconstructions.png")
        source = "Procedural shapes never trained on" if meshes is None else "Meshes"
        return {
            "reconstructions.png": f"{source}, each above what its latents give back: "
            f"{', '.join(names)}."
        }

    def _sample(
        self,
        seeds: Sequence[int],
        categories: Sequence[str | None],
        keep: Latents | None = None,
        keep_level: int | None = None,
    ) -> Latents:
        return self.pipeline.sample(
            seeds,
            categories,
            steps=self.steps,
            guidance=self.guidance,
            keep=keep,
            keep_level=keep_level,
        )

    def _variants(self, parents: Latents | None, keep_level: int | None, category: str) -> Latents:
        """`SAMPLES` new shapes, or `SAMPLES` variants of each parent, in the parents' order."""
        keep = None
        if parents is not None:
            keep = Latents(tuple(level.repeat_interleave(SAMPLES, 0) for level in parents.levels))
        count = SAMPLES if keep is None else len(keep)
        seeds = [self.seed + i for i in range(count)]
        return self._sample(seeds, [category] * count, keep, keep_level)

    def _surfaces(self, latents: Latents, title: str) -> list[trimesh.Trimesh]:
        rows = tqdm(range(len(latents)), desc=title, disable=not sys.stderr.isatty())
        return [
            self.pipeline.meshes(latents[row : row + 1], resolution=self.resolution)[0]
            for row in rows
        ]


def _procedural_inputs() -> dict[str, trimesh.Trimesh]:
    """The first shape of each category in the test split."""
    axis = torch.linspace(-1.05, 1.05, _PROCEDURAL_CELLS + 1)
    grid = torch.cartesian_prod(axis, axis, axis)[None]
    meshes = {}
    for category in CATEGORIES:
        distances = procedural.build(category, TEST_SEEDS).signed_distance(grid)
        logits = -distances.view(len(axis), len(axis), len(axis)).numpy()
        vertices, faces = extract_isosurface(
            logits, lower=(-1.05, -1.05, -1.05), spacing=2.1 / _PROCEDURAL_CELLS
        )
        meshes[category] = trimesh.Trimesh(vertices, faces, process=False)
    return meshes


def spread_meshes(folder: Path) -> dict[str, trimesh.Trimesh]:
    """Meshes evenly spread over a folder; of its category sub-folders only, if it has such.

    Raises:
        ValueError: there is no mesh.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MESH_SUFFIXES)
    if not files:
        raise ValueError(f"{folder} holds no mesh files ({', '.join(sorted(MESH_SUFFIXES))})")
    files = [path for path in files if path.parent.name in CATEGORIES] or files
    count = min(len(files), MOST_RECONSTRUCTIONS)
    chosen = [files[(2 * i + 1) * len(files) // (2 * count)] for i in range(count)]
    meshes = {}
    for path in chosen:
        mesh = load_mesh(path.read_bytes(), hint=path.name)
        if isinstance(mesh, trimesh.Trimesh):
            meshes[path.relative_to(folder).with_suffix("").as_posix()] = mesh
    return meshes


def _picture(mesh: trimesh.Trimesh, size: int, azimuth: float) -> UInt8[np.ndarray, "size size 3"]:
    """A picture of a mesh; blank where it has no surface."""
    if not len(mesh.faces):
        return np.full((size, size, 3), 255, dtype=np.uint8)
    return render(mesh, size=size, azimuth=azimuth)


def main_share(mesh: trimesh.Trimesh) -> float:
    """Share of the surface that belongs to the largest connected part, 0 for an empty mesh."""
    if not len(mesh.faces):
        return 0.0
    part = trimesh.graph.connected_component_labels(mesh.face_adjacency, node_count=len(mesh.faces))
    areas = np.bincount(part, weights=mesh.area_faces)
    return float(areas.max() / areas.sum())


def _rows(items: Sequence[_Item], columns: int) -> list[Sequence[_Item]]:
    return [items[start : start + columns] for start in range(0, len(items), columns)]


def _readme(captions: dict[str, str], artist: _Artist, meshes: Path | None) -> str:
    info = artist.pipeline.info
    command = (
        f"lagem gallery --seed {artist.seed} --steps {artist.steps} "
        f"--guidance {artist.guidance:g} --resolution {artist.resolution}"
    )
    if meshes is not None:
        command += f" --meshes {shlex.quote(meshes.name)}"
    lines = [
        f"# What the model {info.name!r} makes",
        "",
        f"Weights {info.weights_sha256[:12]}, version {info.version}. Drawn by",
        "",
        f"    {command}",
    ]
    for name, caption in captions.items():
        title = name.removesuffix(".png").capitalize()
        lines += ["", f"## {title}", "", f"![{title}]({name})", "", caption]
    return "\n".join(lines) + "\n"
