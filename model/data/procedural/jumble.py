"""Jumbles: unions of two to eight random solids in random poses, thick and thin, of no category.

They teach the autoencoder shapes that no category has: each solid is put through a point inside
an earlier one, so that a jumble is in one piece.
"""

import numpy as np
from jaxtyping import Float64

from model.data.procedural.assembly import Assembly, turn
from model.data.procedural.solids import Solids

Point = Float64[np.ndarray, "3"]

_SOLIDS = (2, 8)
_LENGTH = (0.25, 1.2)
_THICKNESS = (0.04, 0.5)


def build(rng: np.random.Generator) -> Solids:
    """A random jumble, normalised; its solids stand square to the axes, or (half) turned freely."""
    square = rng.random() < 0.5
    assembly = Assembly()
    anchors = [np.zeros(3)]
    for _ in range(rng.integers(_SOLIDS[0], _SOLIDS[1], endpoint=True)):
        part = _PARTS[rng.choice(len(_PARTS), p=_WEIGHTS)]
        rotation = _square_pose(rng) if square else _free_pose(rng)
        anchor = anchors[rng.integers(len(anchors))]
        anchors.extend(part(assembly, rng, anchor, rotation))
    return assembly.build()


def _box(
    assembly: Assembly,
    rng: np.random.Generator,
    anchor: Point,
    rotation: Float64[np.ndarray, "3 3"],
) -> list[Point]:
    depth = _length(rng) if rng.random() < 0.5 else _thickness(rng)
    size = np.array([_length(rng), _thickness(rng), depth])
    center = anchor - rotation @ (size * rng.uniform(-0.45, 0.45, 3))
    rounding = rng.choice([0.0, 0.15]) * size.min()
    assembly.box(size, center, rounding=rounding, rotation=rotation)
    return [center + rotation @ (size * rng.uniform(-0.45, 0.45, 3)) for _ in range(2)]


def _rod(
    assembly: Assembly,
    rng: np.random.Generator,
    anchor: Point,
    rotation: Float64[np.ndarray, "3 3"],
) -> list[Point]:
    start, end = _span(rng, anchor, rotation)
    radius = 0.5 * _thickness(rng)
    if rng.random() < 0.5:
        assembly.capsule(start, end, radius)
    else:
        assembly.rod(start, end, radius, radius * rng.choice([1.0, rng.uniform(0.3, 1.0)]))
    return [0.5 * (start + end), end]


def _turned(
    assembly: Assembly,
    rng: np.random.Generator,
    anchor: Point,
    rotation: Float64[np.ndarray, "3 3"],
) -> list[Point]:
    """A lathe-turned body: a profile of four to six random radii, full at the axis."""
    start, end = _span(rng, anchor, rotation)
    radii = [0.5 * _thickness(rng) + 0.02 for _ in range(rng.integers(4, 7))]
    heights = np.linspace(0.0, float(np.linalg.norm(end - start)), len(radii))
    profile = [(0.0, heights[0]), *zip(radii, heights, strict=True), (0.0, heights[-1])]
    assembly.lathe(profile, base=start, axis=end - start)
    return [0.5 * (start + end), 0.2 * start + 0.8 * end]


def _ring(
    assembly: Assembly,
    rng: np.random.Generator,
    anchor: Point,
    rotation: Float64[np.ndarray, "3 3"],
) -> list[Point]:
    radius = 0.5 * _length(rng)
    tube = rng.uniform(0.025, min(0.12, 0.6 * radius))
    center = anchor - radius * rotation[:, 0]
    assembly.ring(center, radius, tube, axis=rotation[:, 1])
    return [center - radius * rotation[:, 0], center + radius * rotation[:, 2]]


def _span(
    rng: np.random.Generator, anchor: Point, rotation: Float64[np.ndarray, "3 3"]
) -> tuple[Point, Point]:
    """Two points on a line through `anchor`, which lies between them."""
    along = rotation[:, 1] * _length(rng)
    before = rng.uniform(0.05, 0.95)
    return anchor - before * along, anchor + (1.0 - before) * along


def _length(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(_LENGTH))))


def _thickness(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(_THICKNESS))))


def _square_pose(rng: np.random.Generator) -> Float64[np.ndarray, "3 3"]:
    """A rotation by right angles that takes local y to each world axis equally often."""
    return [np.eye(3), turn("x", 90.0), turn("z", 90.0)][rng.integers(3)]


def _free_pose(rng: np.random.Generator) -> Float64[np.ndarray, "3 3"]:
    """A rotation uniform over all rotations (from a uniform unit quaternion)."""
    w, x, y, z = (quaternion := rng.standard_normal(4)) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


_PARTS = (_box, _rod, _turned, _ring)
_WEIGHTS = (0.4, 0.3, 0.18, 0.12)
