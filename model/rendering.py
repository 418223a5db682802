"""Pictures of meshes: a quiet clay look by ray casting, and sheets that lay pictures side by side.

Shapes stand on white ground, Y up, and are seen from the front right and a little above. The same
mesh always gives the same picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float32, Int64, UInt8
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import map_coordinates

CLAY = np.array([0.60, 0.535, 0.47], dtype=np.float32)  # reflectance, linear RGB
CREASE_DEGREES = 40.0  # faces that meet at a sharper angle keep their edge

_EYE_DISTANCE = 6.0  # in radii of the shape: nearly parallel lines stay parallel
_MARGIN = 1.14  # the picture's side over the shape's
_SAMPLES = 2  # rays a pixel, along each side
_SKY_DIRECTIONS = 16  # a pixel; each of its samples asks its own quarter of them
_OFFSET = 2e-3  # of secondary rays off the surface, in radii of the shape
_KEY_LIGHT = np.array([-0.35, 0.75, 0.56], dtype=np.float32)  # towards it; from the front left
_KEY, _SKY, _GROUND_BOUNCE = 0.75, 0.72, 0.40  # strengths
_SHADOW = 0.6  # how dark the ground gets
_SHADOW_CELLS, _SHADOW_RAYS, _SHADOW_EXTENT = 40, 64, 1.5  # of the ground's shadow map


def render(
    mesh: trimesh.Trimesh, *, size: int = 256, azimuth: float = 35.0, elevation: float = 20.0
) -> UInt8[np.ndarray, "size size 3"]:
    """A picture of a mesh with at least one face, in any frame that has Y up.

    Args:
        mesh: fills the picture whatever its size and place.
        size: side of the picture in pixels.
        azimuth: degrees that the camera stands to the right of the front (+Z).
        elevation: degrees that the camera looks down.

    Raises:
        ValueError: the mesh has no faces.
    """
    if not len(mesh.faces):
        raise ValueError("a mesh without faces cannot be rendered")
    scene = _Scene.of(mesh)
    side = size * _SAMPLES
    origins, directions = _camera_rays(scene.vertices, side, azimuth, elevation)
    hits = scene.first_hits(origins, directions)
    seen = hits.face >= 0
    colors = np.empty_like(directions)
    colors[~seen] = _ground(scene, origins[~seen], directions[~seen])
    row, column = np.divmod(np.flatnonzero(seen), side)
    quarter = row % _SAMPLES * _SAMPLES + column % _SAMPLES
    colors[seen] = _clay(scene, origins[seen], directions[seen], hits.where(seen), quarter)
    pixels = colors.reshape(size, _SAMPLES, size, _SAMPLES, 3).mean(axis=(1, 3))
    return np.round(255 * _srgb(pixels)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class _Hits:
    """Where rays meet the scene; face -1 where they do not."""

    face: Int64[np.ndarray, "n"]
    barycentric: Float32[np.ndarray, "n 2"]  # weights of a face's second and third corner
    distance: Float32[np.ndarray, "n"]

    def where(self, chosen: Bool[np.ndarray, "n"]) -> _Hits:
        return _Hits(self.face[chosen], self.barycentric[chosen], self.distance[chosen])


@dataclass(frozen=True, slots=True)
class _Scene:
    """A mesh in the unit sphere, ready for rays."""

    vertices: Float32[np.ndarray, "v 3"]
    corner_normals: Float32[np.ndarray, "f 3 3"]  # unit normals at each face's corners
    embree: EmbreeScene

    @classmethod
    def of(cls, mesh: trimesh.Trimesh) -> _Scene:
        positions, welded = np.unique(
            np.asarray(mesh.vertices, dtype=np.float32), axis=0, return_inverse=True
        )
        faces = welded.reshape(-1)[np.asarray(mesh.faces)]
        used = positions[np.unique(faces)]
        center = (used.min(axis=0) + used.max(axis=0)) / 2
        radius = max(float(np.linalg.norm(used - center, axis=1).max()), 1e-20)
        vertices = (used - center) / radius
        corners = (positions[faces] - center) / radius
        embree = EmbreeScene()
        TriangleMesh(embree, corners)
        return cls(vertices, smooth_normals(corners, faces), embree)

    def first_hits(
        self, origins: Float32[np.ndarray, "n 3"], directions: Float32[np.ndarray, "n 3"]
    ) -> _Hits:
        found = self.embree.run(origins, directions, output=1)
        barycentric = np.stack([found["u"], found["v"]], axis=1)
        return _Hits(found["primID"].astype(np.int64), barycentric, found["tfar"])

    def reaches_sky(
        self, origins: Float32[np.ndarray, "n 3"], directions: Float32[np.ndarray, "n 3"]
    ) -> Bool[np.ndarray, "n"]:
        """Which rays leave the shape without meeting it."""
        free: Bool[np.ndarray, "n"] = self.embree.run(origins, directions, query="OCCLUDED") != 0
        return free


def smooth_normals(
    corners: Float32[np.ndarray, "f 3 3"], vertex: Int64[np.ndarray, "f 3"]
) -> Float32[np.ndarray, "f 3 3"]:
    """Unit normals at face corners: means over the faces around a vertex that meet smoothly.

    Args:
        corners: positions of each face's corners.
        vertex: number of the vertex at each corner; equal numbers share a position.
    """
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    units = areas / np.maximum(np.linalg.norm(areas, axis=1, keepdims=True), 1e-20)
    order = np.argsort(vertex, axis=None, kind="stable")
    face = order // 3  # of each corner, corners sorted by vertex
    counts = np.bincount(vertex.ravel())
    count = np.repeat(counts, counts)  # faces around each corner's vertex
    first = np.repeat(np.cumsum(counts) - counts, counts)
    rank = np.arange(len(face)) - first
    total = areas[face].copy()
    rows = np.flatnonzero(count > 1)
    shift, limit = 1, np.cos(np.radians(CREASE_DEGREES))
    while len(rows):
        others = face[first[rows] + (rank[rows] + shift) % count[rows]]
        smooth = np.einsum("ni,ni->n", units[face[rows]], units[others]) > limit
        total[rows[smooth]] += areas[others[smooth]]
        shift += 1
        rows = rows[count[rows] > shift]
    normals = np.empty_like(total)
    normals[order] = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20)
    return normals.reshape(-1, 3, 3).astype(np.float32)


def _camera_rays(
    vertices: Float32[np.ndarray, "v 3"], side: int, azimuth: float, elevation: float
) -> tuple[Float32[np.ndarray, "n 3"], Float32[np.ndarray, "n 3"]]:
    """Origins and unit directions of side x side rays that frame the vertices, by rows."""
    turn, rise = np.radians([azimuth, elevation])
    back = np.array([np.sin(turn) * np.cos(rise), np.sin(rise), np.cos(turn) * np.cos(rise)])
    right = np.array([np.cos(turn), 0.0, -np.sin(turn)])
    up = np.cross(back, right)
    eye = _EYE_DISTANCE * back
    depth = (eye - vertices) @ back
    view = np.stack([vertices @ right, vertices @ up], axis=1) / depth[:, None]
    lower, upper = view.min(axis=0), view.max(axis=0)
    half = max(float((upper - lower).max()) / 2, 1e-6) * _MARGIN
    steps = half * ((2 * np.arange(side) + 1) / side - 1)
    middle = (lower + upper) / 2
    across, down = np.meshgrid(middle[0] + steps, middle[1] - steps)
    rays = across[..., None] * right + down[..., None] * up - back
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    directions = rays.reshape(-1, 3).astype(np.float32)
    return np.tile(eye.astype(np.float32), (len(directions), 1)), directions


def _clay(
    scene: _Scene,
    origins: Float32[np.ndarray, "n 3"],
    directions: Float32[np.ndarray, "n 3"],
    hits: _Hits,
    quarter: Int64[np.ndarray, "n"],
) -> Float32[np.ndarray, "n 3"]:
    """Light of the clay at the hits, linear RGB; `quarter` says which sky directions to ask."""
    second, third = hits.barycentric.T
    weights = np.stack([1 - second - third, second, third], axis=1)
    normals = np.einsum("nc,nci->ni", weights, scene.corner_normals[hits.face])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    # Faces of soups may look inward: the side that is seen is the outer one.
    normals *= -np.sign(np.einsum("ni,ni->n", normals, directions))[:, None]
    points = origins + directions * hits.distance[:, None] + _OFFSET * normals
    light = _sky_light(scene, points, normals, quarter) + _key_light(scene, points, normals)
    colors: Float32[np.ndarray, "n 3"] = light[:, None] * CLAY
    return colors


def _key_light(
    scene: _Scene, points: Float32[np.ndarray, "n 3"], normals: Float32[np.ndarray, "n 3"]
) -> Float32[np.ndarray, "n"]:
    """Light of a distant lamp, with its shadow."""
    towards = _KEY_LIGHT / np.linalg.norm(_KEY_LIGHT)
    light: Float32[np.ndarray, "n"] = _KEY * (normals @ towards).clip(min=0)
    facing = light > 0
    rays = np.tile(towards, (int(facing.sum()), 1))
    light[facing] *= scene.reaches_sky(points[facing], rays)
    return light


def _sky_light(
    scene: _Scene,
    points: Float32[np.ndarray, "n 3"],
    normals: Float32[np.ndarray, "n 3"],
    quarter: Int64[np.ndarray, "n"],
) -> Float32[np.ndarray, "n"]:
    """Light of a bright sky and of the ground that mirrors some of it, where they are in view."""
    total = np.zeros(len(points), dtype=np.float32)
    rays_each = _SKY_DIRECTIONS // _SAMPLES**2
    local = _hemisphere(_SKY_DIRECTIONS)
    tangent, bitangent = _tangents(normals)
    for step in range(rays_each):
        x, y, z = local[quarter + step * _SAMPLES**2].T[..., None]
        rays = x * tangent + y * bitangent + z * normals
        bright = _GROUND_BOUNCE + (1 - _GROUND_BOUNCE) * np.clip(0.5 + 1.5 * rays[:, 1], 0, 1)
        total += scene.reaches_sky(points, rays) * bright
    return _SKY / rays_each * total


def _ground(
    scene: _Scene, origins: Float32[np.ndarray, "n 3"], directions: Float32[np.ndarray, "n 3"]
) -> Float32[np.ndarray, "n 3"]:
    """What rays see that miss the shape: white, with the shape's soft shadow where it stands."""
    height = scene.vertices[:, 1].min() - _OFFSET
    steps = np.linspace(-_SHADOW_EXTENT, _SHADOW_EXTENT, _SHADOW_CELLS, dtype=np.float32)
    cells = np.stack(np.meshgrid(steps, height, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    x, y, up = _hemisphere(_SHADOW_RAYS).T
    sky = np.stack([x, up, y], axis=1)
    free = scene.reaches_sky(np.repeat(cells, len(sky), axis=0), np.tile(sky, (len(cells), 1)))
    shadow = 1 - free.reshape(_SHADOW_CELLS, _SHADOW_CELLS, -1).mean(axis=2, dtype=np.float32)
    colors = np.ones_like(directions)
    falling = np.flatnonzero(directions[:, 1] < 0)
    down = directions[falling]
    distance = (height - origins[falling, 1]) / down[:, 1]
    place = (origins[falling] + distance[:, None] * down)[:, [0, 2]] / _SHADOW_EXTENT
    index = (place + 1) / 2 * (_SHADOW_CELLS - 1)
    fading = np.clip(2 - 2 * np.linalg.norm(place, axis=1), 0, 1)
    dark = _SHADOW * fading * map_coordinates(shadow, index.T, order=1, cval=0.0)
    colors[falling] -= dark[:, None]
    return colors


def _hemisphere(count: int) -> Float32[np.ndarray, "count 3"]:
    """Directions around +z with cosine density: a golden-angle spiral over the disc, lifted."""
    radius = np.sqrt((np.arange(count) + 0.5) / count)
    angle = np.arange(count) * np.pi * (3 - np.sqrt(5))
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return np.stack([x, y, np.sqrt(1 - radius**2)], axis=1).astype(np.float32)


def _tangents(
    normals: Float32[np.ndarray, "n 3"],
) -> tuple[Float32[np.ndarray, "n 3"], Float32[np.ndarray, "n 3"]]:
    """Two unit vectors that complete each normal to a frame."""
    steep = np.abs(normals[:, 1:2]) > 0.9
    axis = np.where(steep, *np.eye(2, 3, dtype=np.float32))
    tangent = np.cross(axis, normals)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    return tangent, np.cross(normals, tangent)


def _srgb(light: Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w 3"]:
    """Linear light, 1 is white, to sRGB values of 0 to 1 (IEC 61966-2-1)."""
    light = np.clip(light, 0, 1)
    curved = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, curved).astype(np.float32)


_LABEL_SIZE = 15  # points
_GAP = 6  # pixels around each picture
_INK = (70, 66, 62)


def contact_sheet(
    rows: Sequence[Sequence[UInt8[np.ndarray, "h w 3"]]],
    *,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> Image.Image:
    """Pictures of one size in rows, white between them; rows may differ in length.

    Args:
        rows: at least one row of at least one picture.
        row_labels: one a row, written to the left; none for no labels.
        column_labels: one a column, written above; none for no labels.

    Raises:
        ValueError: there is no picture, sizes differ, or labels do not fit the rows or columns.
    """
    columns = max((len(row) for row in rows), default=0)
    sizes = {picture.shape for row in rows for picture in row}
    if len(sizes) != 1:
        raise ValueError(f"a contact sheet needs pictures of one size, got {sorted(sizes)}")
    for name, labels, count in (("row", row_labels, len(rows)), ("column", column_labels, columns)):
        if len(labels) not in (0, count):
            raise ValueError(f"{count} {name}s need {count} {name} labels, got {len(labels)}")
    [(height, width, _)] = sizes
    font = ImageFont.load_default(_LABEL_SIZE)
    left = _GAP + max((int(font.getlength(label)) + 2 * _GAP for label in row_labels), default=0)
    top = _GAP + (_LABEL_SIZE + 2 * _GAP if column_labels else 0)
    size = (left + columns * (width + _GAP), top + len(rows) * (height + _GAP))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            place = (left + j * (width + _GAP), top + i * (height + _GAP))
            sheet.paste(Image.fromarray(picture), place)
    for j, label in enumerate(column_labels):
        middle = (left + j * (width + _GAP) + width // 2, top // 2 + _GAP // 2)
        draw.text(middle, label, fill=_INK, font=font, anchor="mm")
    for i, label in enumerate(row_labels):
        middle = (left - 2 * _GAP, top + i * (height + _GAP) + height // 2)
        draw.text(middle, label, fill=_INK, font=font, anchor="rm")
    return sheet
