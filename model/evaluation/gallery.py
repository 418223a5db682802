"""Pictures of what a model makes: categories, reconstructions, levels of detail."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import UInt8
from tqdm import tqdm

from model.config import CATEGORIES
from model.data.prepare import MESH_SUFFIXES
from model.data.synthesize import TEST_SEEDS
from model.evaluation.metrics import main_share
from model.evaluation.pictures import family_blocks, in_rows, picture, procedural_mesh
from model.evaluation.sampler import Sampler
from model.geometry.mesh import load_mesh
from model.geometry.sampling import to_point_cloud
from model.pipeline import ShapePipeline
from model.rendering import contact_sheet

SAMPLES = 4  # of each category, and variants of each kept level
MOST_RECONSTRUCTIONS = 10
RECONSTRUCTIONS_A_ROW = 5

_LEVELS_CATEGORY = "sofa"
_PICTURE, _SMALL_PICTURE = 224, 144  # pixels
_UNCONDITIONAL_ROWS, _UNCONDITIONAL_A_ROW = 3, 8

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
    artist = _Artist(Sampler(pipeline, seed, steps, guidance, resolution))
    folder.mkdir(parents=True, exist_ok=True)
    captions: dict[str, str] = {}
    if "generate" in pipeline.info.can:
        if pipeline.info.categories:
            captions |= artist.categories(folder)
        captions |= artist.unconditional(folder)
        if len(pipeline.info.levels) >= 3:
            captions |= artist.levels(folder)
    captions |= artist.reconstructions(folder, meshes)
    readme = folder / "README.md"
    readme.write_text(_readme(captions, artist.sampler, meshes))
    return [*(folder / name for name in captions), readme]


@dataclass(frozen=True, slots=True)
class _Artist:
    """Draws with one model and one choice of settings; each method writes and captions pictures."""

    sampler: Sampler

    def categories(self, folder: Path) -> dict[str, str]:
        """Samples of every category, and one good sample of each in a wide picture."""
        names = self.sampler.pipeline.info.categories
        seeds = [self.sampler.seed + i for i in range(SAMPLES)]
        latents = self.sampler.sample(
            [name for _ in seeds for name in names], [seed for seed in seeds for _ in names]
        )
        surfaces = self.sampler.surfaces(latents, "categories")
        pictures = [
            picture(surface, _PICTURE, names[i % len(names)]) for i, surface in enumerate(surfaces)
        ]
        rows = in_rows(pictures, len(names))
        sheet = contact_sheet(rows, row_labels=[str(s) for s in seeds], column_labels=names)
        sheet.save(folder / "categories.png")
        shares = [[main_share(surface) for surface in row] for row in in_rows(surfaces, len(names))]
        best = np.argmax(shares, axis=0).tolist()
        hero = [rows[row][i] for i, row in enumerate(best)]
        contact_sheet([hero], column_labels=names).save(folder / "hero.png")
        chosen = ", ".join(f"{name} {seeds[row]}" for name, row in zip(names, best, strict=True))
        return {
            "hero.png": f"Of the samples below, those with the fewest loose parts: {chosen}.",
            "categories.png": f"{SAMPLES} samples of each category, not chosen; rows are seeds.",
        }

    def unconditional(self, folder: Path) -> dict[str, str]:
        """Samples without a category, as in the paper's Figure 11."""
        sampler = replace(self.sampler, guidance=0.0)  # there is no category to weigh
        count = _UNCONDITIONAL_ROWS * _UNCONDITIONAL_A_ROW
        seeds = [sampler.seed + i for i in range(count)]
        surfaces = sampler.surfaces(sampler.sample([None] * count, seeds), "unconditional")
        pictures = [picture(surface, _SMALL_PICTURE, None) for surface in surfaces]
        contact_sheet(in_rows(pictures, _UNCONDITIONAL_A_ROW)).save(folder / "unconditional.png")
        return {
            "unconditional.png": f"{count} samples without a category, not chosen: seeds "
            f"{seeds[0]} to {seeds[-1]}, row by row. Compare Figure 11 of the paper."
        }

    def levels(self, folder: Path) -> dict[str, str]:
        """Variants that share coarse levels, as in the paper's Figure 12."""
        known = self.sampler.pipeline.info.categories
        category = _LEVELS_CATEGORY if _LEVELS_CATEGORY in known else next(iter(known), None)
        family = self.sampler.family(category, SAMPLES, SAMPLES)
        surfaces = self.sampler.surfaces(family, "levels")
        pictures = [picture(surface, _SMALL_PICTURE, category) for surface in surfaces]
        blocks = family_blocks(pictures, SAMPLES, SAMPLES)
        contact_sheet(in_rows(blocks, 2)).save(folder / "levels.png")
        subject = f"Category {category}" if category else "No category"
        return {"levels.png": f"{subject}, {_LEVELS_CAPTION}"}

    def reconstructions(self, folder: Path, meshes: Path | None) -> dict[str, str]:
        """Inputs, each above its reconstruction."""
        inputs = _procedural_inputs() if meshes is None else spread_meshes(meshes)
        names = list(inputs)
        pictures: dict[str, list[UInt8[np.ndarray, "h w 3"]]] = {"input": [], "reconstruction": []}
        for name in tqdm(names, desc="reconstructions", disable=not sys.stderr.isatty()):
            cloud = to_point_cloud(inputs[name])
            [surface] = self.sampler.pipeline.meshes(
                self.sampler.pipeline.encode(cloud.points[None]),
                resolution=self.sampler.resolution,
            )
            # Strangers' meshes, whose names are no categories, face anywhere.
            pictures["input"].append(picture(inputs[name], _PICTURE, name))
            pictures["reconstruction"].append(picture(surface, _PICTURE, name))
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


def _procedural_inputs() -> dict[str, trimesh.Trimesh]:
    """The first shape of each category in the test split."""
    return {category: procedural_mesh(category, TEST_SEEDS) for category in CATEGORIES}


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


def _readme(captions: dict[str, str], sampler: Sampler, meshes: Path | None) -> str:
    info = sampler.pipeline.info
    command = (
        f"lagem gallery --seed {sampler.seed} --steps {sampler.steps} "
        f"--guidance {sampler.guidance:g} --resolution {sampler.resolution}"
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
