"""Table tops: plain, clipped, round, oval, planked, rimmed."""

from dataclasses import dataclass

import numpy as np

from model.data.procedural.assembly import Assembly, clipped_rectangle
from model.data.procedural.draws import chance, pick

Reach = tuple[float, float]
"""Shares of the top's width and depth that supports may stand on."""


@dataclass(frozen=True, slots=True)
class Plate:
    """A top's outer size along x, the height of its upper face, its size along z, its thickness."""

    width: float
    height: float
    depth: float
    thickness: float

    @property
    def middle(self) -> float:
        """Height of the plate's middle."""
        return self.height - 0.5 * self.thickness


def plain_top(rng: np.random.Generator, assembly: Assembly, plate: Plate) -> Reach:
    """A board with sharp, eased or round edges, flush with its supports or beyond them."""
    rounding = plate.thickness * pick(rng, (0.0, 0.2, 0.45))
    size = (plate.width, plate.thickness, plate.depth)
    assembly.box(size, (0, plate.middle, 0), rounding=rounding)
    overhang = pick(rng, (1.0, rng.uniform(0.8, 0.95)))
    return overhang, overhang


def clipped_top(rng: np.random.Generator, assembly: Assembly, plate: Plate) -> Reach:
    """A board with its corners cut off."""
    cut = rng.uniform(0.1, 0.3) * min(plate.width, plate.depth)
    outline = clipped_rectangle(0.5 * plate.width, 0.5 * plate.depth, cut)
    assembly.prism(outline, plate.thickness, center=(0, plate.middle, 0), plane="xz")
    return 0.85, 0.8


def round_top(rng: np.random.Generator, assembly: Assembly, plate: Plate) -> Reach:
    """A disc."""
    radius = 0.5 * min(plate.width, 1.6 * plate.depth)
    rounding = plate.thickness * pick(rng, (0.0, 0.25, 0.5))
    assembly.disc((0, plate.middle, 0), radius, plate.thickness, rounding=rounding)
    return 1.3 * radius / plate.width, 1.3 * radius / plate.depth


def oval_top(rng: np.random.Generator, assembly: Assembly, plate: Plate) -> Reach:
    """A board with half round ends."""
    middle, radius = plate.middle, 0.5 * plate.depth
    straight = max(plate.width - plate.depth, 0.2 * plate.width)
    rounding = plate.thickness * pick(rng, (0.0, 0.25))
    size = (straight + 2.0 * rounding, plate.thickness, plate.depth)
    assembly.box(size, (0, middle, 0), rounding=rounding)
    for side in (-0.5, 0.5):
        center = (side * straight, middle, 0)
        assembly.disc(center, radius, plate.thickness, rounding=rounding)
    return 0.7 * (straight + plate.depth) / plate.width, 0.75


def planked_top(rng: np.random.Generator, assembly: Assembly, plate: Plate) -> Reach:
    """Boards with gaps between them, on two cross pieces."""
    count = int(rng.integers(3, 6))
    gap = 0.05 * plate.depth
    plank = (plate.depth + gap) / count - gap
    middle = plate.middle
    for index in range(count):
        z = -0.5 * plate.depth + 0.5 * plank + index * (plank + gap)
        size = (plate.width, plate.thickness, plank)
        assembly.box(size, (0, middle, z), rounding=0.2 * plate.thickness)
    for side in (-0.38, 0.38):
        size = (0.08 * plate.width, plate.thickness, 0.98 * plate.depth)
        assembly.box(size, (side * plate.width, middle - 0.5 * plate.thickness, 0))
    return 0.9, 1.0


def rimmed_top(rng: np.random.Generator, assembly: Assembly, plate: Plate) -> Reach:
    """A plate with a raised board along the back, sometimes along the sides too."""
    assembly.box((plate.width, plate.thickness, plate.depth), (0, plate.middle, 0))
    rise, board = rng.uniform(0.08, 0.2) * plate.depth, 0.9 * plate.thickness
    y = plate.height + 0.5 * rise - 0.5 * plate.thickness
    assembly.box((plate.width, rise + plate.thickness, board), (0, y, 0.5 * (board - plate.depth)))
    if chance(rng, 0.5):
        for side in (-0.5, 0.5):
            x = side * (plate.width - board)
            assembly.box((board, rise + plate.thickness, plate.depth), (x, y, 0))
    return 1.0, 1.0
